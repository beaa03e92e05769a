//! Adapters come to the layers that their settings name.

use crate::adapter::{Adapter, Dora, Dropout, names, squares};
use crate::load::{Generated, RawTensor};
use crate::parameters::Part;
use crate::peft::{AdapterConfig, PREFIX, Places};
use crate::{Error, Linear, TensorSource, Vlm};
use smolvlm_backend::{Backend, Quant, Source, Splitmix, Stored, Tensor, Use, numbers};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Where an adapter's tensors come from, and what for.
pub struct Attach<'a> {
    /// Where it will run.
    pub backend: &'a dyn Backend,
    /// Its tensors.
    pub source: &'a mut dyn TensorSource,
    /// Whether it begins as no change: DoRA's lengths are then those of the layer's rows as they are kept, and not the
    /// source's.
    pub fresh: bool,
    /// What its matrices are kept in.
    pub quant: Quant,
    /// What it counts, beside others.
    pub factor: f32,
    /// Where its parameters are also kept in f32, if it is trained.
    pub masters: Option<&'a mut BTreeMap<String, Tensor>>,
}

impl Vlm {
    /// Every linear layer's name that an adapter can be put on: `peft` does not count the patch embedding among them, which
    /// is a convolution there.
    pub fn linears(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        self.parts(&mut |part| {
            if let Part::Linear(linear) = part
                && !linear.name.ends_with(".patch_embedding")
            {
                names.push(linear.name.clone());
            }
        });
        names
    }

    /// Puts an adapter on its layers, and returns their number.
    ///
    /// # Errors
    /// Where its settings name no layer, or a tensor is missing, misshapen or left over: it was made for another base.
    pub fn attach(&mut self, config: &AdapterConfig, attach: &mut Attach<'_>) -> Result<usize, Error> {
        let named = self.linears();
        let wrong = |what: String| Error::Adapter { what };
        let Places { modules } = config.places(named.iter().map(String::as_str)).map_err(wrong)?;
        let mut result = Ok(());
        let places: BTreeMap<&str, (usize, f64)> =
            modules.iter().map(|(name, rank, factor)| (name.as_str(), (*rank, *factor))).collect();
        self.parts(&mut |part| {
            if let Part::Linear(linear) = part
                && let Some(&(rank, factor)) = places.get(linear.name.as_str())
                && result.is_ok()
            {
                result = linear.attach(config, rank, factor, attach);
            }
        });
        result?;
        attach.source.finish()?;
        Ok(modules.len())
    }

    /// Says in training what the adapters of each layer drop at this step; `None` leaves all in.
    pub fn set_dropout(&mut self, dropout: Option<(f32, u64)>) {
        let mut place = 0u64;
        self.parts(&mut |part| {
            let Part::Linear(linear) = part else { return };
            for adapter in &mut linear.adapters {
                place += 1;
                // Far apart, so that no two layers' hashes begin alike.
                let key = |key: u64| key.wrapping_add(place.wrapping_mul(0xD1B5_4A32_D192_ED03));
                adapter.dropout = dropout.filter(|(p, _)| *p > 0.0).map(|(p, k)| Dropout { p, key: key(k) });
            }
        });
    }

    /// Finds again what follows from adapters' parameters, after these have changed.
    pub fn measure_adapters(&mut self, backend: &dyn Backend) {
        self.parts(&mut |part| {
            if let Part::Linear(linear) = part {
                linear.adapters.iter_mut().for_each(|adapter| adapter.measure(backend, &linear.weight));
            }
        });
    }
}

impl Linear {
    fn attach(
        &mut self,
        config: &AdapterConfig,
        rank: usize,
        factor: f64,
        attach: &mut Attach<'_>,
    ) -> Result<(), Error> {
        let (outputs, inputs) = (self.weight.outputs(), self.weight.inputs());
        let alone = self.adapters.iter().all(|other| other.dora.is_none()) && !config.use_dora;
        if !alone && !self.adapters.is_empty() {
            let what = "an adapter with DoRA stands alone: merge one of them into the model first".to_string();
            return Err(Error::Adapter { what });
        }
        let backend = attach.backend;
        let keep = |attach: &mut Attach<'_>, part: &str, tensor: Tensor| {
            if let Some(masters) = &mut attach.masters {
                masters.insert(format!("{}.{part}", self.name), tensor.clone());
            }
            tensor
        };
        let take = |attach: &mut Attach<'_>, part: &str, shape: &[usize]| -> Result<Tensor, Error> {
            let raw = attach.source.take(&format!("{PREFIX}{}.{part}", self.name), shape)?;
            let tensor = backend.upload(shape, &raw.numbers(shape.last().copied().unwrap_or(1)));
            Ok(keep(attach, part, tensor))
        };
        let a = take(attach, names::A, &[rank, inputs])?;
        let b = take(attach, names::B, &[outputs, rank])?;
        let dora = if config.use_dora {
            let squares = squares(backend, &self.weight);
            let magnitude = if attach.fresh {
                let lengths: Vec<f32> = squares.iter().map(|square| square.sqrt()).collect();
                keep(attach, names::MAGNITUDE, backend.upload(&[outputs], &lengths))
            } else {
                take(attach, names::MAGNITUDE, &[outputs])?
            };
            let none = backend.upload(&[outputs], &vec![0.0; outputs]);
            Some(Dora { magnitude, squares, inverse: none.clone(), ratio: none })
        } else {
            None
        };
        let purpose = if attach.masters.is_some() { Use::Train } else { Use::Forward };
        let pack = |x: &Tensor| {
            let bytes: Vec<u8> = numbers(backend, x).iter().flat_map(|x| x.to_le_bytes()).collect();
            let source = Source { bytes: &bytes, stored: Stored::F32, outputs: x.rows(), inputs: x.width() };
            backend.weight(&source, attach.quant, purpose)
        };
        let scale = backend.upload(&[1], &[(factor * f64::from(attach.factor)) as f32]);
        let mut adapter = Adapter { name: self.name.clone(), a: pack(&a), b: pack(&b), scale, dropout: None, dora };
        adapter.measure(backend, &self.weight);
        self.adapters.push(adapter);
        Ok(())
    }
}

/// How a new adapter's `A` is drawn; `B` is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    /// Uniform, as `peft` does without being asked: He et al.'s with a slope of the root of 5, within one over the root of
    /// the inputs.
    Uniform,
    /// Normal, with a deviation of one over the rank.
    Gaussian,
}

/// `A` and `B` of a new adapter.
pub fn fresh(init: Init, seed: u64) -> Generated<impl FnMut(&str, &[usize]) -> RawTensor<'static>> {
    Generated(move |name: &str, shape: &[usize]| {
        let count: usize = shape.iter().product();
        let values = if name.ends_with(names::B) {
            vec![0.0; count]
        } else {
            let (rank, inputs) = (shape[0] as f64, shape[1] as f64);
            let mut random = Stream::of(seed, name);
            match init {
                Init::Uniform => (0..count).map(|_| ((2.0 * random.uniform() - 1.0) / inputs.sqrt()) as f32).collect(),
                Init::Gaussian => (0..count).map(|_| (random.normal() / rank) as f32).collect(),
            }
        };
        let bytes = values.iter().flat_map(|x: &f32| x.to_le_bytes()).collect();
        RawTensor { bytes: Cow::Owned(bytes), stored: Stored::F32 }
    })
}

/// Numbers of a seed and a name.
pub struct Stream(Splitmix);

impl Stream {
    /// The same numbers for the same seed and name.
    pub fn of(seed: u64, name: &str) -> Stream {
        let fold = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01B3);
        Stream(Splitmix::new(name.bytes().fold(seed ^ 0xCBF2_9CE4_8422_2325, fold)))
    }

    /// In [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0.uniform()
    }

    /// Of mean 0 and deviation 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}
