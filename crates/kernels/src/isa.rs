//! Which instructions this processor has.

use std::sync::OnceLock;

/// A family of instructions that kernels are written for, from the plainest up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Portable code: the reference that the others must equal.
    Scalar,
    /// NEON, 128 bits: what every aarch64 processor has.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// WebAssembly's 128 bits. A module that holds such instructions loads nowhere else, so they are chosen when it is
    /// built.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
    /// AVX2 with FMA, 256 bits.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL), 512 bits.
    Avx512,
    /// AVX-512 with dot products of bfloat16.
    Avx512Bf16,
    /// These, and bfloat16 products of whole tiles by AMX. Its sums have an order of their own.
    Amx,
}

impl Isa {
    /// Its name, as users write it.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => "neon",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Isa::Simd128 => "simd128",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Avx512Bf16 => "avx512bf16",
            Isa::Amx => "amx",
        }
    }

    /// Whether there are dot products of bfloat16 pairs.
    pub(crate) fn has_pairs(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self >= Isa::Avx512Bf16;
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// The plainest that gives the same bits: scalar code, but for AMX, whose sums of bfloat16 have an order of their own.
    pub fn reference(self) -> Isa {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Amx => self,
            _ => Isa::Scalar,
        }
    }

    /// Whether this processor has AMX and the system does not let this process use it.
    pub fn amx_is_refused() -> bool {
        #[cfg(target_arch = "x86_64")]
        return crate::tile::amx::present() && !crate::tile::amx::permitted();
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// The one of this name, if this processor has it.
    pub fn named(name: &str) -> Option<Isa> {
        Isa::available().into_iter().find(|isa| isa.name() == name)
    }

    /// The best that this processor has; looked up once.
    ///
    /// Some processors make dot products of bfloat16 at half the rate of f32 multiply-adds (Intel's without AMX): there
    /// the plain instructions, which widen bfloat16 first and give the same bits, are taken. A tenth of a millisecond of
    /// both tells.
    pub fn best() -> Isa {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| match Isa::available().last() {
            #[cfg(target_arch = "x86_64")]
            Some(Isa::Avx512Bf16) if !crate::peak::dots_pay() => Isa::Avx512,
            Some(&last) => last,
            None => Isa::Scalar,
        })
    }

    /// Those that tests try: all, or the one that `SMOLVLM_ISA` names, since emulators are slow.
    #[cfg(test)]
    pub(crate) fn tested() -> Vec<Isa> {
        match std::env::var("SMOLVLM_ISA") {
            Ok(name) => vec![Isa::named(&name).unwrap()],
            Err(_) => Isa::available(),
        }
    }

    /// All that this processor has, in rising order.
    pub fn available() -> Vec<Isa> {
        #[allow(unused_mut, reason = "where the plainest is all there is")]
        let mut found = vec![Isa::Scalar];
        #[cfg(target_arch = "aarch64")]
        found.push(Isa::Neon);
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        found.push(Isa::Simd128);
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx2") && has!("fma") && has!("f16c") {
                found.push(Isa::Avx2);
                if has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") {
                    found.push(Isa::Avx512);
                    if has!("avx512bf16") {
                        found.push(Isa::Avx512Bf16);
                        if crate::tile::amx::permitted() {
                            found.push(Isa::Amx);
                        }
                    }
                }
            }
        }
        found
    }
}

/// Defines a function that runs one body compiled for each family of instructions.
///
/// The body is plain code that the compiler vectorises; it uses `math::fma`, which is one thing on one target, so every
/// version gives the same bits. Where vector instructions are the target's baseline (NEON, WebAssembly's), the body as it
/// stands has them. The caller passes the family, which must be one that `Isa::available` named.
macro_rules! for_each_isa {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:path;) => {
        $(#[$meta])*
        $vis fn $name(isa: $crate::Isa, $($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) $(-> $ret)? { $body($($arg),*) }
                #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
                fn avx512($($arg: $ty),*) $(-> $ret)? { $body($($arg),*) }
                match isa {
                    // SAFETY: `isa` was detected on this processor.
                    $crate::Isa::Avx512 | $crate::Isa::Avx512Bf16 | $crate::Isa::Amx => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::Isa::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::Isa::Scalar => {}
                }
            }
            let _ = isa;
            $body($($arg),*)
        }
    };
}
pub(crate) use for_each_isa;
