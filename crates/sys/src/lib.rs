//! The system below: memory maps, CPU features, facts about the process. `unsafe` lives here so that it need not elsewhere.
#![allow(unsafe_code)]
