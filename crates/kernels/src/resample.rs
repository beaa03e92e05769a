//! Pillow-exact resampling.
