//! Questions of a scene of things: of their categories. What is asked of any scene is in `ask`.

use super::{CATEGORIES, Category, Noun, category_of, noun};
use crate::{
    Random, Split, Turn,
    ask::{count, is_are, owned, relation::answer, turn, yes_no},
    scene::{Object, Scene},
};

/// The noun of an object that is a thing.
pub(crate) fn of(object: &Object) -> Option<&'static Noun> {
    if object.shape().is_some() { None } else { noun(object.noun()) }
}

/// The categories of all objects; nothing where one has none, or is a shape: then nobody knows what it counts as.
fn categories(scene: &Scene) -> Option<Vec<&'static Category>> {
    scene.objects.iter().map(|object| category_of(of(object)?.category)).collect()
}

/// Whether something may count as both.
fn blurred(a: &Category, b: &Category) -> bool {
    const PAIRS: [(&str, &str); 6] = [
        ("food", "drink"),
        ("food", "plant"),
        ("tool", "device"),
        ("sport", "toy"),
        ("device", "instrument"),
        ("food", "animal"),
    ];
    PAIRS.contains(&(a.name, b.name)) || PAIRS.contains(&(b.name, a.name))
}

/// A category that is not there, nor one that blurs with those that are.
pub(crate) fn other(there: &[&'static Category], random: &mut Random) -> Option<&'static Category> {
    let clear = |category: &&Category| there.iter().all(|own| own != category && !blurred(own, category));
    let others: Vec<&'static Category> = CATEGORIES.iter().filter(clear).collect();
    others.get(random.below(others.len())).copied()
}

/// A category of those that are there, without one that blurs with it.
fn one(there: &[&'static Category], random: &mut Random) -> Option<(&'static Category, usize)> {
    let category = *there.get(random.below(there.len()))?;
    let clear = there.iter().all(|other| !blurred(category, other));
    clear.then(|| (category, there.iter().filter(|other| **other == category).count()))
}

/// How many animals?
pub(crate) fn counted(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let there = categories(scene)?;
    let (category, count) = match random.chance(0.1) {
        true => (other(&there, random)?, 0),
        false => one(&there, random)?,
    };
    let many = category.many?;
    let said = if count == 1 { category.which } else { many };
    let fills = [("kinds", many), ("are", is_are(count)), ("said", said)];
    turn("count", "things.count", split, random, &fills, &count.to_string(), count::also(count))
}

/// Is there an animal?
pub(crate) fn exists(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let there = categories(scene)?;
    let yes = random.chance(0.5);
    let category = if yes { one(&there, random)?.0 } else { other(&there, random)? };
    yes_no("yesno", "things.exists", split, random, &[("kind", category.one)], yes)
}

/// Which one is an animal?
pub(crate) fn which(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let there = categories(scene)?;
    let (category, count) = one(&there, random)?;
    let at = there.iter().position(|other| *other == category)?;
    if count != 1 || there.len() < 2 {
        return None;
    }
    let (best, also) = answer(scene, at)?;
    turn("kind", "things.which", split, random, &[("kind", category.one)], &best, also)
}

/// The category of all things but one, and that one.
fn odd_one(scene: &Scene) -> Option<(&'static Category, usize)> {
    let there = categories(scene)?;
    let (first, second) = (*there.first()?, *there.get(1)?);
    let usual = if first == second || *there.get(2)? == first { first } else { second };
    let at = there.iter().position(|category| *category != usual)?;
    let others = there.iter().filter(|category| **category != usual).count();
    (others == 1 && !blurred(usual, there.get(at)?)).then_some((usual, at))
}

/// Which one does not belong?
pub(crate) fn odd(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (_, at) = odd_one(scene)?;
    let (best, also) = answer(scene, at)?;
    turn("relation", "things.odd", split, random, &[], &best, also)
}

/// Which one is not an animal?
pub(crate) fn not(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (usual, at) = odd_one(scene)?;
    let (best, also) = answer(scene, at)?;
    turn("relation", "things.not", split, random, &[("kind", usual.one)], &best, also)
}

/// Of what kind are most of them?
pub(crate) fn most(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let there = categories(scene)?;
    let of = |category: &Category| there.iter().filter(|other| **other == category).count();
    let category = there.iter().find(|category| of(category) * 2 > there.len())?;
    if there.len() < 3 || there.iter().any(|other| blurred(category, other)) {
        return None;
    }
    turn("kind", "things.most", split, random, &[], category.name, owned(category.also))
}

/// A dog or a cat: which of the two is there?
pub(crate) fn either(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let object = scene.objects.get(random.below(scene.objects.len()))?;
    let wrong = scene.absent.get(random.below(scene.absent.len()))?;
    let mut pair = [object.noun(), wrong.noun()];
    random.shuffle(&mut pair);
    turn("name", "things.side", split, random, &[("x", pair[0]), ("y", pair[1])], object.noun(), object.also())
}
