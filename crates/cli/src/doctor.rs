//! `smolvlm doctor`: what this machine has, what is used of it, and how near the kernels come to its limits.

use crate::error::Error;
use crate::options::ComputeArgs;
use crate::output::print_line;
use serde_json::{Value, json};
use smolvlm_kernels::linear::Kept;
use smolvlm_kernels::peak::{self, Arithmetic};
use smolvlm_kernels::{Isa, Pool};

const EXAMPLES: &str = "\
Examples:
  smolvlm doctor
  smolvlm doctor -t 1 --json
  SMOLVLM_ISA=avx2 smolvlm doctor            as on a lesser processor";

/// Show what this machine has, what is used of it, and how near the kernels come to its limits
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    compute: ComputeArgs,
    /// Print one JSON object: operations and bytes a second
    #[arg(long)]
    json: bool,
}

/// The buffer that reading is measured on: larger than caches, as weights are.
const READ: usize = 512 << 20;

/// One limit and what is reached of it.
struct Reach {
    name: &'static str,
    unit: &'static str,
    limit: Option<f64>,
    reached: f64,
}

/// The command.
pub(crate) fn run(args: Args) -> Result<(), Error> {
    let (isa, threads) = (args.compute.isa()?, args.compute.threads());
    let pool = Pool::new(threads);
    let f32_peak = peak::arithmetic(isa, &pool, Arithmetic::F32);
    let bf16_peak = peak::arithmetic(isa, &pool, Arithmetic::Bf16).or(f32_peak);
    let reading = peak::reading(&pool, READ);
    let reaches = [
        Reach { name: "product, f32", unit: "GFLOP/s", limit: f32_peak, reached: peak::product(isa, &pool, Kept::F32) },
        Reach {
            name: "product, bf16",
            unit: "GFLOP/s",
            limit: bf16_peak,
            reached: peak::product(isa, &pool, Kept::Bf16),
        },
        Reach {
            name: "decode, f32",
            unit: "GB/s",
            limit: Some(reading),
            reached: peak::decoding(isa, &pool, Kept::F32),
        },
        Reach {
            name: "decode, bf16",
            unit: "GB/s",
            limit: Some(reading),
            reached: peak::decoding(isa, &pool, Kept::Bf16),
        },
    ];
    let found: Vec<&str> = Isa::available().into_iter().map(Isa::name).collect();
    if args.json {
        let reaches: Vec<Value> = reaches
            .iter()
            .map(|r| json!({ "what": r.name, "unit": r.unit, "limit": r.limit.map(|x| x / 1e9), "reached": r.reached / 1e9 }))
            .collect();
        let report = json!({
            "version": env!("CARGO_PKG_VERSION"), "processor": processor(), "threads": threads,
            "threads_allowed": smolvlm_sys::threads(), "instructions_found": found, "instructions_used": isa.name(),
            "amx_refused": Isa::amx_is_refused(),
            "reaches": reaches,
        });
        return print_line(&report.to_string());
    }
    print_line(&format!("smolvlm {}", env!("CARGO_PKG_VERSION")))?;
    print_line(&format!("processor     {}", processor()))?;
    print_line(&format!("threads       {threads} used, {} allowed", smolvlm_sys::threads()))?;
    print_line(&format!("instructions  {} used, found {}", isa.name(), found.join(", ")))?;
    if Isa::amx_is_refused() {
        print_line("              AMX is there, but the system does not allow it")?;
    }
    if found.contains(&"avx512bf16") && isa == Isa::best() && isa.name() == "avx512" {
        print_line(
            "              dot products of bfloat16 are slower here than f32 multiply-adds: avx512bf16 would lose",
        )?;
    }
    print_line(&format!("\n{:14} {:>10} {:>10}", "", "limit", "reached"))?;
    for r in &reaches {
        let limit = r.limit.map_or("unknown".into(), |x| format!("{:.1}", x / 1e9));
        let part = r.limit.map_or(String::new(), |x| format!("  {:.0} %", 100.0 * r.reached / x));
        print_line(&format!("{:14} {limit:>10} {:>10.1} {}{part}", r.name, r.reached / 1e9, r.unit))?;
    }
    Ok(())
}

/// The processor's name as the system tells it.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_string(), |(_, name)| name.trim().to_string())
}
