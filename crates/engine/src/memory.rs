//! Whether there is memory enough, asked before it is taken: a system that is asked for more than it has ends some process,
//! and says nothing.

use crate::core::{Core, LOGIT_ROWS};
use crate::prompt::PREFILL_ROWS;
use crate::{Error, FewBits};
use smolvlm_backend::{Backend, Quant, Stored};
use smolvlm_model::{Config, Quants};
use smolvlm_processor::{PicturePlan, Plan};
use smolvlm_sys::{Room, room};

/// The memory that a network of these sizes takes, and one pass of it, in bytes. `unpacked`: its numbers are made of a
/// checkpoint's blocks, a tensor at a time.
pub fn of_network(config: &Config, quant: Quants, stored: Stored, unpacked: bool) -> u64 {
    // A tensor as it is read, or as numbers and once more as their bytes.
    let size = if unpacked { 8 } else { (stored.row(64) / 64).max(1) as u64 };
    let reading = config.largest_tensor().saturating_mul(size);
    sum([PROGRAM, config.weight_bytes(quant, stored), reading.max(of_pass(config))])
}

/// What the program's own code, its threads and its tables come to hold.
const PROGRAM: u64 = 12 << 20;

fn sum(parts: impl IntoIterator<Item = u64>) -> u64 {
    parts.into_iter().fold(0, u64::saturating_add)
}

/// What passes the network at once: a tile, or some rows of a prompt.
fn of_pass(config: &Config) -> u64 {
    config.tile_bytes().max(config.rows_bytes(PREFILL_ROWS))
}

/// The memory that answers to a prompt take beside the weights, in bytes: `answers` side by side, of so many tokens each.
pub fn of_request(config: &Config, quant: Quants, plan: &Plan, answers: usize, tokens: usize) -> u64 {
    let prompt = plan.ids.len();
    let positions = prompt.saturating_add(tokens.saturating_mul(answers));
    let embeddings = 4 * prompt as u64 * config.text.hidden as u64;
    let pictures = plan.pictures.iter().map(of_picture).max().unwrap_or(0);
    let pass = of_pass(config).max(config.rows_bytes(answers));
    sum([config.cache_bytes(positions, quant), embeddings, pictures, pass])
}

/// Refuses rows that pass the decoder `at_once` of `rows`, with their keys and values, and are looked at a few at a time.
pub(crate) fn check_rows(core: &Core, rows: usize, at_once: usize) -> Result<(), Error> {
    let config = &core.model.config;
    let embeddings = 4 * rows as u64 * config.text.hidden as u64;
    let logits = 2 * 4 * (LOGIT_ROWS * config.text.vocab) as u64;
    let need = sum([config.cache_bytes(rows, core.quant), embeddings, logits, config.rows_bytes(at_once)]);
    check("the text", need, core.backend.spare_bytes(), room(), || "fewer tokens at a time need less".into())
}

/// What a picture is resized to, twice, and its tiles.
fn of_picture(picture: &PicturePlan) -> u64 {
    let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
    let tiles = u64::from(picture.tiles) * area((picture.tile, picture.tile));
    3 * (area(picture.resized) + area(picture.refined) + tiles)
}

/// Refuses a network that does not fit.
pub(crate) fn check_network(config: &Config, quant: Quants, stored: Stored, unpacked: bool) -> Result<(), Error> {
    let need = of_network(config, quant, stored, unpacked);
    let with = |option, quant: Quants| {
        format!("with {option} it needs {}", Bytes(of_network(config, quant, stored, unpacked)))
    };
    check("the model", need, 0, room(), || match quant.text {
        Quant::F32 => with("--dtype bf16", Quant::Bf16.into()),
        Quant::Bf16 => with("--quant q8", FewBits::EIGHT.into()),
        Quant::Q8 => with("--quant q4", FewBits::FOUR.into()),
        Quant::Q4 | Quant::Nf4 => "a smaller model needs less".into(),
    })
}

/// Refuses a request that does not fit. What earlier ones have left counts as free.
pub(crate) fn check_request(backend: &dyn Backend, need: u64) -> Result<(), Error> {
    check("the request", need, backend.spare_bytes(), room(), || {
        "fewer tokens (-n), --no-split or a smaller --max-edge, and --dtype bf16 need less".into()
    })
}

/// Refuses what needs more bytes than there are: `room`, and `spare` ones that earlier work has left. `help` says what would
/// need less.
///
/// # Errors
/// There are not as many.
pub fn check(
    what: &'static str,
    need: u64,
    spare: u64,
    room: Option<Room>,
    help: impl FnOnce() -> String,
) -> Result<(), Error> {
    let room = room.map(|room| Room { bytes: room.bytes.saturating_add(spare), ..room });
    match room {
        Some(Room { bytes, bound }) if need > bytes => Err(Error::Memory {
            what,
            need: Bytes(need).to_string(),
            room: Bytes(bytes).to_string(),
            bound: bound.to_string(),
            help: help(),
        }),
        _ => Ok(()),
    }
}

/// Bytes as people read them.
struct Bytes(u64);

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            bytes @ 0..1_000_000_000 => write!(f, "{} MB", bytes / 1_000_000),
            bytes => write!(f, "{:.1} GB", bytes as f64 / 1e9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DTypeChoice, Engine, EngineOptions};
    use smolvlm_backend::Isa;
    use smolvlm_sys::Bound;

    #[test]
    fn a_refusal_has_both_numbers_and_what_would_help() {
        let room = Some(Room { bytes: 400_000_000, bound: Bound::Group });
        let error =
            check("the model", 3_210_000_000, 0, room, || "with --dtype bf16 it needs 1.6 GB".into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the model needs some 3.2 GB of memory, but 400 MB of the control group's limit are left; with --dtype bf16 it \
             needs 1.6 GB"
        );
        assert!(check("the model", 400_000_000, 0, room, String::new).is_ok());
        assert!(check("the model", 400_000_005, 5, room, String::new).is_ok());
        assert!(check("the model", u64::MAX, 0, None, String::new).is_ok(), "where the system tells nothing");
    }

    #[test]
    fn a_network_of_absurd_sizes_is_refused_before_it_is_made() {
        let mut config = Config::published("smolvlm-2b").unwrap();
        (config.text.layers, config.text.intermediate) = (1 << 10, 1 << 16);
        (config.text.hidden, config.text.vocab) = (1 << 16, 1 << 22);
        for quant in [Quant::F32, Quant::Bf16] {
            let Err(error) = check_network(&config, quant.into(), Stored::Bf16, false) else {
                assert!(room().is_none());
                return;
            };
            assert!(error.to_string().contains("GB of memory, but"), "{error}");
        }
    }

    #[test]
    fn a_text_that_no_machine_has_room_for_is_refused() {
        let options = EngineOptions {
            threads: 1,
            isa: Isa::best(),
            dtype: DTypeChoice::Auto,
            narrow_kv: false,
            adapters: Vec::new(),
        };
        let engine =
            Engine::open(smolvlm_golden::folder().join("idefics3-256m").as_path(), &options, &mut |_, _| {}).unwrap();
        assert!(check_rows(&engine.core, 64, 64).is_ok());
        let refused = check_rows(&engine.core, 1 << 40, 512).err().map(|error| error.to_string());
        let says = |error: String| error.starts_with("the text needs some ");
        assert!(refused.map_or(room().is_none(), says));
    }
}
