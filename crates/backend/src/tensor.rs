//! Tensors: a device buffer, a shape, a type.

use std::any::Any;
use std::sync::Arc;

/// The type of a tensor's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DType {
    /// IEEE single precision.
    F32,
    /// bfloat16.
    Bf16,
}

impl DType {
    /// Bytes a number.
    pub fn size(self) -> usize {
        match self {
            DType::F32 => 4,
            DType::Bf16 => 2,
        }
    }
}

/// Memory of a device. A backend knows its own kind by [`Any`].
pub trait DeviceBuffer: Any + Send + Sync {
    /// Takes the buffer back when a tensor lets it go; where it was the last, it may be kept for the next tensor.
    fn recycle(self: Arc<Self>);
}

/// The most dimensions.
const MAX_RANK: usize = 4;

/// Numbers on a device. A clone shares them; operations that write take a tensor by value and copy it if it is shared.
pub struct Tensor {
    /// `None` only while being dropped.
    buffer: Option<Arc<dyn DeviceBuffer>>,
    dims: [usize; MAX_RANK],
    rank: usize,
    dtype: DType,
}

impl Tensor {
    /// A tensor over a buffer that a backend has made for it.
    ///
    /// # Panics
    /// If the shape has no or more than four dimensions.
    pub fn new(buffer: Arc<dyn DeviceBuffer>, shape: &[usize], dtype: DType) -> Tensor {
        assert!((1..=MAX_RANK).contains(&shape.len()), "a tensor has 1 to {MAX_RANK} dimensions");
        let mut dims = [1; MAX_RANK];
        dims[..shape.len()].copy_from_slice(shape);
        Tensor { buffer: Some(buffer), dims, rank: shape.len(), dtype }
    }

    /// Its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.dims[..self.rank]
    }

    /// The same numbers in another shape.
    ///
    /// # Panics
    /// If the shapes hold different counts.
    pub fn reshape(self, shape: &[usize]) -> Tensor {
        assert_eq!(self.len(), shape.iter().product::<usize>(), "reshape to {shape:?}");
        let mut out = self;
        out.dims = [1; MAX_RANK];
        out.dims[..shape.len()].copy_from_slice(shape);
        out.rank = shape.len();
        out
    }

    /// The last dimension.
    pub fn width(&self) -> usize {
        self.dims[self.rank - 1]
    }

    /// The product of all dimensions but the last.
    pub fn rows(&self) -> usize {
        self.dims[..self.rank - 1].iter().product()
    }

    /// How many numbers.
    pub fn len(&self) -> usize {
        self.rows() * self.width()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Whether `other` holds the very same numbers, perhaps in another shape.
    pub fn shares(&self, other: &Tensor) -> bool {
        self.buffer.as_ref().zip(other.buffer.as_ref()).is_some_and(|(a, b)| Arc::ptr_eq(a, b))
    }

    /// Whether another tensor holds the same numbers.
    pub fn is_shared(&self) -> bool {
        self.buffer.as_ref().is_some_and(|b| Arc::strong_count(b) > 1)
    }

    /// The buffer as a backend's own kind.
    ///
    /// # Panics
    /// If another backend made it.
    pub fn buffer<B: DeviceBuffer>(&self) -> &B {
        let buffer = self.buffer.as_deref().map(|b| b as &dyn Any);
        match buffer.and_then(|b| b.downcast_ref()) {
            Some(buffer) => buffer,
            None => unreachable!("this tensor was made by another backend"),
        }
    }

    /// The buffer, to write; `None` where it is shared.
    ///
    /// # Panics
    /// If another backend made it.
    pub fn buffer_mut<B: DeviceBuffer>(&mut self) -> Option<&mut B> {
        let buffer: &mut dyn Any = self.buffer.as_mut().and_then(Arc::get_mut)?;
        match buffer.downcast_mut() {
            Some(buffer) => Some(buffer),
            None => unreachable!("this tensor was made by another backend"),
        }
    }
}

impl Clone for Tensor {
    fn clone(&self) -> Tensor {
        Tensor { buffer: self.buffer.clone(), ..*self }
    }
}

impl Drop for Tensor {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            buffer.recycle();
        }
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({:?} {:?})", self.dtype, self.shape())
    }
}
