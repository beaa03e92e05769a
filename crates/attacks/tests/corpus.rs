//! What the fuzzer has kept, once more: inputs that reach what others do not, and those that were faults.

use smolvlm_attacks::TARGETS;
use std::path::Path;

#[test]
fn the_fuzzers_corpora() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for target in TARGETS {
        let mut files: Vec<_> =
            std::fs::read_dir(corpora.join(target.name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} has no corpus", target.name);
        for file in files {
            // The name stands there if it fails.
            println!("{}", file.display());
            (target.run)(&std::fs::read(&file).unwrap());
        }
    }
}
