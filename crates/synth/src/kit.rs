//! What pictures are drawn with.

use crate::{
    Error, Fonts,
    things::{Hand, Hands},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Where the packages lie unless the environment says otherwise.
const FOLDER: &str = "data/synth";

/// Fonts, and the hands that drew the things; what is not there is `None`, and skills that need it are refused.
#[derive(Debug, Default)]
pub struct Kit {
    /// Where the packages were looked for.
    pub folder: PathBuf,
    /// What text is written with.
    pub fonts: Fonts,
    /// What things are drawn by.
    pub hands: Option<Hands>,
}

/// What a skill cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Fonts of the packages.
    Fonts,
    /// Drawings of the packages.
    Hands,
    /// Drawings by the hand that only tests see.
    UnseenHand,
}

impl Kit {
    /// A kit of a folder of packages, as `scripts/get-fonts.sh` and `scripts/get-drawings.sh` fill it. What is not there
    /// is left out.
    ///
    /// # Errors
    /// Something is there and cannot be read.
    pub fn open(folder: &Path) -> Result<Kit, Error> {
        Ok(Kit { folder: folder.to_owned(), fonts: Fonts::open(&folder.join("fonts"))?, hands: Hands::open(folder)? })
    }

    /// The kit of [`Kit::folder`], read once.
    ///
    /// # Errors
    /// As [`Kit::open`].
    pub fn shared() -> Result<Arc<Kit>, Error> {
        static SHARED: Mutex<Option<Arc<Kit>>> = Mutex::new(None);
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kit) = &*shared {
            return Ok(kit.clone());
        }
        let kit = Arc::new(Kit::open(&Kit::folder())?);
        *shared = Some(kit.clone());
        Ok(kit)
    }

    /// The folder of packages: `SMOLVLM_SYNTH`, or `data/synth` where it is not set.
    pub fn folder() -> PathBuf {
        std::env::var_os("SMOLVLM_SYNTH").map_or_else(|| FOLDER.into(), PathBuf::from)
    }

    /// Whether it has what a skill needs.
    pub fn has(&self, need: Need) -> bool {
        match need {
            Need::Fonts => self.fonts.all(),
            Need::Hands => self.hands.is_some(),
            Need::UnseenHand => self.hands.as_ref().is_some_and(|hands| hands.has(Hand::OpenMoji)),
        }
    }

    /// That a skill has what it needs.
    ///
    /// # Errors
    /// It has not; the message says how it is fetched.
    pub fn require(&self, skill: &str, need: Need) -> Result<(), Error> {
        match self.has(need) {
            true => Ok(()),
            false => Err(Error::Missing {
                skill: skill.to_owned(),
                what: need.name(),
                folder: self.folder.display().to_string(),
            }),
        }
    }
}

impl Need {
    /// What messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Need::Fonts => "fonts",
            Need::Hands => "drawings of things",
            Need::UnseenHand => "drawings of things by openmoji",
        }
    }
}
