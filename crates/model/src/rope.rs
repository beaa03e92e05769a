//! Rotary frequencies, and how they are changed for a longer context: `rope_scaling` of `config.json`.

use serde::Deserialize;
use serde_json::{Value, json};
use smolvlm_backend::frequencies;

/// How the frequencies of heads are changed for a longer context.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// They are not.
    None,
    /// All are divided by this: the type `linear`.
    Linear(f64),
    /// Slow ones are divided, fast ones are not, and those between are a mixture: the type `llama3`, of Llama 3.1.
    Llama3 {
        /// What slow ones are divided by.
        factor: f64,
        /// Slow is what turns fewer times than this in `context`.
        low: f64,
        /// Fast is what turns more often than this in it.
        high: f64,
        /// Positions that the network was first trained for.
        context: usize,
    },
    /// Each is divided by its own number: `rope_freqs.weight` of GGUF files; in `config.json` the type `longrope` with the
    /// same factors near and far.
    Each(Vec<f32>),
}

impl RopeScaling {
    /// The frequencies of a head's pairs, step by step in f32 as the reference computes them (`modeling_rope_utils.py`).
    pub fn frequencies(&self, theta: f64, head_dim: usize) -> Vec<f32> {
        let plain = frequencies(theta, head_dim);
        match self {
            RopeScaling::None => plain,
            RopeScaling::Linear(factor) => plain.iter().map(|f| f / *factor as f32).collect(),
            RopeScaling::Llama3 { factor, low, high, context } => {
                plain.iter().map(|&f| llama3(f, *factor, *low, *high, *context as f64)).collect()
            }
            RopeScaling::Each(divisors) => plain.iter().zip(divisors).map(|(f, divisor)| f / divisor).collect(),
        }
    }

    /// What each frequency is divided by, where it is not the same for all: what a GGUF file says of it.
    pub fn divisors(&self, theta: f64, head_dim: usize) -> Option<Vec<f32>> {
        match self {
            RopeScaling::None | RopeScaling::Linear(_) => None,
            RopeScaling::Llama3 { .. } => {
                let plain = frequencies(theta, head_dim);
                Some(plain.iter().zip(self.frequencies(theta, head_dim)).map(|(plain, f)| plain / f).collect())
            }
            RopeScaling::Each(divisors) => Some(divisors.clone()),
        }
    }

    /// `rope_scaling` of a `config.json`.
    pub fn settings(&self) -> Value {
        match self {
            RopeScaling::None => Value::Null,
            RopeScaling::Linear(factor) => json!({ "rope_type": "linear", "factor": factor }),
            RopeScaling::Llama3 { factor, low, high, context } => json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low,
                "high_freq_factor": high,
                "original_max_position_embeddings": context,
            }),
            RopeScaling::Each(divisors) => json!({
                "rope_type": "longrope",
                "short_factor": divisors,
                "long_factor": divisors,
                "attention_factor": 1.0,
            }),
        }
    }
}

/// A frequency of Llama 3.1's (`_compute_llama3_parameters`). Numbers of the settings become f32 where they meet one.
fn llama3(plain: f32, factor: f64, low: f64, high: f64, context: f64) -> f32 {
    // What torch makes of a number over a tensor.
    let over = |number: f64, x: f32| (1.0 / x) * number as f32;
    let wavelength = over(2.0 * std::f64::consts::PI, plain);
    let (longest, shortest) = ((context / low) as f32, (context / high) as f32);
    if wavelength < shortest {
        plain
    } else if wavelength > longest {
        plain / factor as f32
    } else {
        let smooth = (over(context, wavelength) - low as f32) / (high - low) as f32;
        (1.0 - smooth) * plain / factor as f32 + smooth * plain
    }
}

/// Both the newer `rope_parameters` and the older `rope_scaling`.
#[derive(Deserialize)]
pub(crate) struct RawRope {
    pub(crate) rope_theta: Option<f64>,
    rope_type: Option<String>,
    /// The older name of `rope_type`; files may hold both.
    #[serde(rename = "type")]
    kind: Option<String>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<usize>,
    short_factor: Option<Vec<f32>>,
    long_factor: Option<Vec<f32>>,
    attention_factor: Option<f64>,
}

impl RawRope {
    /// What it asks for, of a decoder with heads of `head_dim` that was trained for `context` positions; the error says
    /// what is wrong.
    pub(crate) fn check(self, head_dim: usize, context: usize) -> Result<RopeScaling, String> {
        let kind = self.rope_type.as_deref().or(self.kind.as_deref()).unwrap_or("default");
        let number = |name: &str, value: Option<f64>| match value {
            Some(value) if value.is_finite() && value > 0.0 => Ok(value),
            Some(value) => Err(format!("text_config's rope {name} is {value}; it must be positive")),
            None => Err(format!("text_config's rope_type '{kind}' needs a {name}")),
        };
        match kind {
            "default" => Ok(RopeScaling::None),
            "linear" => Ok(RopeScaling::Linear(number("factor", self.factor)?)),
            "llama3" => {
                let factor = number("factor", self.factor)?;
                let low = number("low_freq_factor", self.low_freq_factor)?;
                let high = number("high_freq_factor", self.high_freq_factor)?;
                if low >= high {
                    return Err(format!(
                        "text_config's rope low_freq_factor is {low}, high_freq_factor {high}; it must be the larger"
                    ));
                }
                let context = self.original_max_position_embeddings.unwrap_or(context);
                number("original_max_position_embeddings", Some(context as f64))?;
                Ok(RopeScaling::Llama3 { factor, low, high, context })
            }
            // As GGUF files with `rope_freqs.weight` become a config.
            "longrope" if self.short_factor == self.long_factor && self.attention_factor == Some(1.0) => {
                let divisors = self.short_factor.unwrap_or_default();
                if divisors.len() != head_dim / 2 || !divisors.iter().all(|x| x.is_finite() && *x > 0.0) {
                    return Err(format!("text_config's rope factors are not {} positive numbers", head_dim / 2));
                }
                Ok(RopeScaling::Each(divisors))
            }
            other => Err(format!(
                "text_config's rope_type is '{other}'; this network has 'default', 'linear' and 'llama3', and 'longrope' \
                 with the same factors near and far and an attention_factor of 1"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use smolvlm_golden::{folder, tensors};

    #[test]
    fn frequencies_are_the_references() {
        let golden = tensors(&folder().join("rope.safetensors"));
        let cases: Vec<&str> = golden.keys().filter_map(|key| key.strip_suffix(".settings")).collect();
        assert!(cases.len() >= 4);
        for name in cases {
            let of = |what: &str| &golden[&format!("{name}.{what}")];
            let text = Config::parse(std::str::from_utf8(of("settings").u8()).unwrap()).unwrap().text;
            let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
            assert_eq!(bits(&text.frequencies()), bits(of("frequencies").f32()), "{name}");
            // What is written is read again; what a GGUF file says of it comes to the same.
            let again: RawRope = serde_json::from_value(text.rope.settings()).unwrap();
            assert_eq!(again.check(text.head_dim, 1).unwrap(), text.rope, "{name}");
            let Some(divisors) = text.rope.divisors(text.rope_theta, text.head_dim) else { continue };
            let each = RopeScaling::Each(divisors);
            for (each, f) in each.frequencies(text.rope_theta, text.head_dim).iter().zip(text.frequencies()) {
                assert!((each - f).abs() <= f * f32::EPSILON, "{name}: {each} {f}");
            }
            let again: RawRope = serde_json::from_value(each.settings()).unwrap();
            assert_eq!(again.check(text.head_dim, 1).unwrap(), each);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let llama3 = json!({"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4});
        for (key, value, want) in [
            ("factor", json!(null), "'llama3' needs a factor"),
            ("factor", json!(-8), "rope factor is -8"),
            ("low_freq_factor", json!(null), "needs a low_freq_factor"),
            ("high_freq_factor", json!(0), "high_freq_factor is 0"),
            ("high_freq_factor", json!(1), "must be the larger"),
            ("original_max_position_embeddings", json!(0), "original_max_position_embeddings is 0"),
            ("rope_type", json!("yarn"), "'yarn'; this network has 'default'"),
            ("rope_type", json!("longrope"), "'longrope'; this network has"),
        ] {
            let mut settings = llama3.clone();
            settings[key] = value;
            let raw: RawRope = serde_json::from_value(settings).unwrap();
            let error = raw.check(8, 64).unwrap_err();
            assert!(error.contains(want), "{error} should say {want}");
        }
        for divisors in [vec![1.0; 3], vec![1.0, 1.0, 1.0, 0.0]] {
            let raw: RawRope = serde_json::from_value(RopeScaling::Each(divisors).settings()).unwrap();
            assert!(raw.check(8, 64).unwrap_err().contains("not 4 positive numbers"));
        }
        let raw: RawRope = serde_json::from_value(llama3).unwrap();
        let want = RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, context: 64 };
        assert_eq!(raw.check(8, 64).unwrap(), want);
    }
}
