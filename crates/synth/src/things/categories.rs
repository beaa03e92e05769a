//! The categories of the nouns, and how they are spoken of.

/// A category.
#[derive(Debug, PartialEq, Eq)]
pub struct Category {
    /// As the nouns' file has it, and as an answer.
    pub name: &'static str,
    /// One of it: "an animal", "something to eat".
    pub one: &'static str,
    /// Behind "which": "animal", "musical instrument".
    pub which: &'static str,
    /// Several of it, for counts; none where they are not counted as one kind.
    pub many: Option<&'static str>,
    /// Other words that are as right.
    pub also: &'static [&'static str],
}

const fn category(
    name: &'static str,
    one: &'static str,
    which: &'static str,
    many: Option<&'static str>,
    also: &'static [&'static str],
) -> Category {
    Category { name, one, which, many, also }
}

/// All that are asked about. Nouns of others (`object`) are asked for by name alone.
pub const CATEGORIES: &[Category] = &[
    category("animal", "an animal", "animal", Some("animals"), &["animals", "creature"]),
    category("plant", "a plant", "plant", Some("plants"), &["plants"]),
    category("food", "food", "food", None, &["something to eat"]),
    category("drink", "a drink", "drink", Some("drinks"), &["drinks", "beverage"]),
    category("vehicle", "a vehicle", "vehicle", Some("vehicles"), &["vehicles", "transport"]),
    category("building", "a building", "building", Some("buildings"), &["buildings"]),
    category("tool", "a tool", "tool", Some("tools"), &["tools"]),
    category("clothing", "a piece of clothing", "piece of clothing", Some("pieces of clothing"), &["clothes"]),
    category("furniture", "a piece of furniture", "piece of furniture", Some("pieces of furniture"), &[]),
    category(
        "instrument",
        "a musical instrument",
        "musical instrument",
        Some("musical instruments"),
        &["musical instrument", "instruments"],
    ),
    category("device", "a device", "device", Some("devices"), &["devices", "electronics"]),
    category("sport", "something for sports", "piece of sports equipment", None, &["sports", "sports equipment"]),
    category("toy", "a toy", "toy", Some("toys"), &["toys", "game"]),
    category("body part", "a part of the body", "part of the body", None, &["body", "part of the body"]),
];

/// The category of a name.
pub fn category_of(name: &str) -> Option<&'static Category> {
    CATEGORIES.iter().find(|category| category.name == name)
}
