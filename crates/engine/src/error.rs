//! What can be wrong with a request.

/// Every way in which the engine can refuse.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Where an answer ends cannot be told.
    #[error("the chat template ends answers with no token of its own, so where one ends cannot be told")]
    NoTurnEnd,
    /// An answer whose probability cannot be told.
    #[error("behind this prompt the answer {answer:?} would be cut into other tokens than the prompt ends with")]
    Cut {
        /// The answer.
        answer: String,
    },
    /// The checkpoint's weights or config.
    #[error(transparent)]
    Model(#[from] smolvlm_model::Error),
    /// A picture, the chat, the tokenizer or the template.
    #[error(transparent)]
    Processor(#[from] smolvlm_processor::Error),
    /// The processor's files and the network do not belong together.
    #[error(
        "the tokenizer's largest id is {largest}, but the network has {vocab} rows: the files do not belong together"
    )]
    Vocabulary {
        /// The largest id that the tokenizer makes.
        largest: usize,
        /// Rows of the network's embedding.
        vocab: usize,
    },
    /// Tiles of the processor do not fit the tower.
    #[error(
        "the processor cuts tiles of {processor} pixels, but the tower takes {tower}: the files do not belong together"
    )]
    TileSize {
        /// `max_image_size` of the processor's settings.
        processor: u32,
        /// `image_size` of the tower.
        tower: usize,
    },
    /// A sampling setting is out of its range.
    #[error("{name} is {value}; it must be {range}")]
    Sampling {
        /// The setting.
        name: &'static str,
        /// What it was.
        value: f32,
        /// What it may be.
        range: &'static str,
    },
    /// Settings of tokens' choice contradict each other.
    #[error("{what}")]
    Contradiction {
        /// Which, and what would be right.
        what: &'static str,
    },
    /// A setting names a token that the model does not have.
    #[error("{name} names token {id}, but the model has {vocab}")]
    Token {
        /// The setting.
        name: &'static str,
        /// The token.
        id: u32,
        /// The model's tokens.
        vocab: usize,
    },
    /// A setting has a sequence without tokens.
    #[error("{name} has a sequence of no tokens; each needs at least one")]
    EmptySequence {
        /// The setting.
        name: &'static str,
    },
    /// What an answer is bound to cannot be used.
    #[error(transparent)]
    Grammar(#[from] crate::GrammarError),
    /// The settings let no token through.
    #[error("the settings forbid every token that could come next: fewer bans would leave one")]
    NothingLeft,
    /// The prompt fills what the settings allow.
    #[error(
        "the prompt has {prompt} tokens, but max_length of generation_config.json is {limit}; -n N sets another limit"
    )]
    NoRoom {
        /// Tokens of the prompt.
        prompt: usize,
        /// Of prompt and answer.
        limit: usize,
    },
    /// A key of the generation settings is not what it should be, or asks for what is not done here.
    #[error("generation_config.json: {key}: {what}")]
    Generation {
        /// The key.
        key: String,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// The network computed something that is no number.
    #[error("the network computed logits that are not finite: the weights are damaged, or too large for their type")]
    NotFinite,
    /// Two models that have not the same tokens, or make not as many numbers of a picture, cannot be compared.
    #[error("the models cannot be compared: one makes {first} numbers where the other makes {second}")]
    Vocabularies {
        /// The first's.
        first: usize,
        /// The second's.
        second: usize,
    },
    /// Words are asked of a model that makes vectors.
    #[error("this model makes vectors, to find pictures by, and no words: smolvlm embed asks it")]
    MakesVectors,
    /// Vectors are asked of a model that makes words.
    #[error(
        "this model foretells words and makes no vectors to find pictures by; ColSmol and its kin (ColIdefics3) do"
    )]
    MakesWords,
    /// A longer context was asked for than the model has.
    #[error("a context of {asked} tokens is asked for, but the model's holds {context}")]
    Context {
        /// Asked for.
        asked: usize,
        /// The model's.
        context: usize,
    },
    /// There is not memory enough.
    #[error("{what} needs some {need} of memory, but {room} {bound} are left; {help}")]
    Memory {
        /// What needs it.
        what: &'static str,
        /// How much.
        need: String,
        /// How much there is.
        room: String,
        /// Of what.
        bound: String,
        /// What would need less.
        help: String,
    },
    /// The program stops.
    #[error("the program stops, and has no time left to answer this request")]
    Stopped,
    /// Something in the program panicked.
    #[error("the program failed on the way to this answer, by a fault of its own; other requests are answered")]
    Failed,
    /// A text too short to score.
    #[error("the text has {tokens} tokens; scoring needs at least 2 and a window of at least 2")]
    TooShort {
        /// Its tokens.
        tokens: usize,
    },
    /// An adapter does not fit the model.
    #[error("the adapter {path} does not fit this model: {source}")]
    Adapter {
        /// Its folder.
        path: String,
        /// Why.
        source: smolvlm_model::Error,
    },
}
