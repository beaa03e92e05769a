//! What a step costs, by counting.

use smolvlm_model::Config;
use smolvlm_model::config::{SightConfig, TextConfig};

/// Which products of a part are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Work {
    /// A forward pass's, and those of inputs' gradients.
    Passed,
    /// Those of weights' gradients, too.
    Trained,
}

impl Work {
    fn times(self) -> f64 {
        match self {
            Work::Passed => 2.0,
            Work::Trained => 3.0,
        }
    }
}

/// Operations of tiles through the tower.
pub(crate) fn tower(config: &Config, tiles: usize, work: Work) -> f64 {
    let Some(SightConfig { tower: config, .. }) = &config.sight else { return 0.0 };
    let (n, h, inner) = (config.patches() as f64, config.hidden as f64, config.intermediate as f64);
    let layer = 2.0 * n * (4.0 * h * h + 2.0 * h * inner) + 4.0 * n * n * h;
    tiles as f64 * config.layers as f64 * layer * work.times()
}

/// Operations of sequences through the decoder, the head over `learnt` rows.
pub(crate) fn text(config: &TextConfig, sequences: &[usize], learnt: usize, work: Work) -> f64 {
    let (h, inner) = (config.hidden as f64, config.intermediate as f64);
    let (q, kv) = ((config.heads * config.head_dim) as f64, (config.kv_heads * config.head_dim) as f64);
    let weights = h * (2.0 * q + 2.0 * kv) + 3.0 * h * inner;
    let rows: f64 = sequences.iter().map(|&n| n as f64).sum();
    // A row sees half of its sequence in the mean.
    let pairs: f64 = sequences.iter().map(|&n| n as f64 * n as f64 / 2.0).sum();
    let layers = config.layers as f64 * (2.0 * rows * weights + 4.0 * pairs * q);
    (layers + 2.0 * learnt as f64 * h * config.vocab as f64) * work.times()
}

/// Bytes that a backward pass keeps of `rows` rows of the decoder and `tiles` tiles of a trained tower.
pub(crate) fn kept(config: &Config, rows: usize, tiles: usize, recompute: bool) -> f64 {
    let t = &config.text;
    let (q, kv) = (t.heads * t.head_dim, t.kv_heads * t.head_dim);
    let text = if recompute { t.hidden } else { 4 * t.hidden + 2 * q + 2 * kv + 3 * t.intermediate };
    let tower = config.sight.as_ref().map_or(0, |SightConfig { tower, .. }| {
        let row = if recompute { tower.hidden } else { 8 * tower.hidden + 2 * tower.intermediate };
        tower.patches() * tower.layers * row
    });
    4.0 * (rows * t.layers * text + tiles * tower) as f64
}
