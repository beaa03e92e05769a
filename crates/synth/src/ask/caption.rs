//! Whole scenes in words, in three lengths. What is said is determined by the scene.

use crate::{
    Random, Split, Turn,
    scene::{Object, Scene, several},
    wordings::{capital, say, with_article},
};

/// A caption's turn.
fn caption(section: &str, text: String, scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (noun, nouns) = scene.nouns(random);
    let question = say(section, split, random, &[("object", noun), ("objects", nouns)]);
    Some(Turn { skill: "caption", question, answer: text, also: Vec::new() })
}

/// The objects with their numbers, those that are alike together, in the order of their places from the left.
fn groups(scene: &Scene) -> Vec<(usize, String, String)> {
    let mut groups: Vec<(usize, String, String)> = Vec::new();
    for object in from_left(scene) {
        let one = object.full();
        match groups.iter_mut().find(|group| group.1 == one) {
            Some(group) => group.0 += 1,
            None => {
                let many =
                    object.colour().map_or_else(|| object.plural(), |c| format!("{} {}", c.name, object.plural()));
                groups.push((1, one, many));
            }
        }
    }
    groups
}

/// The objects from left to right.
fn from_left(scene: &Scene) -> Vec<&Object> {
    let mut objects: Vec<&Object> = scene.objects.iter().collect();
    objects.sort_by(|a, b| a.centre().0.total_cmp(&b.centre().0));
    objects
}

/// "a, b and c".
pub(crate) fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

fn named(scene: &Scene) -> String {
    list(&groups(scene).iter().map(|(count, one, many)| several(*count, one, many)).collect::<Vec<_>>())
}

/// "A red circle and two blue stars."
pub(crate) fn short(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    caption("caption.short", format!("{}.", capital(&named(scene))), scene, random, split)
}

/// "a red circle on a white background"
fn on(scene: &Scene) -> String {
    scene.ground.map_or_else(String::new, |ground| format!(" on {} background", with_article(ground.name)))
}

/// "The picture shows a red circle and two blue stars on a white background."
pub(crate) fn medium(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let several = scene.objects.len() > 1 && random.chance(0.4);
    let section = if several { "caption.what" } else { "caption.medium" };
    caption(section, format!("The picture shows {}{}.", named(scene), on(scene)), scene, random, split)
}

/// Where an object is in the picture: "at the top left".
pub(super) fn place(object: &Object, scene: &Scene) -> String {
    let third = |v: f64, whole: u32, names: [&'static str; 3]| names[((3.0 * v / f64::from(whole)) as usize).min(2)];
    let (x, y) = object.centre();
    match (third(y, scene.height, ["top", "", "bottom"]), third(x, scene.width, ["left", "", "right"])) {
        ("", "") => "in the middle".to_owned(),
        ("", x) => format!("on the {x}"),
        (y, "") => format!("at the {y}"),
        (y, x) => format!("at the {y} {x}"),
    }
}

/// How large it is in the picture.
fn extent(object: &Object, scene: &Scene) -> &'static str {
    let (w, h) = object.size();
    match w.max(h) / f64::from(scene.width.min(scene.height)) {
        share if share < 0.22 => "small ",
        share if share > 0.5 => "large ",
        _ => "",
    }
}

/// A sentence of all, and one of each object with its place.
pub(crate) fn long(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (one, many) = if scene.all_shapes() { ("shape", "shapes") } else { ("thing", "things") };
    let count = scene.objects.len();
    if count > 6 {
        return None;
    }
    let mut text = format!("There {} {}{}.", super::is_are(count), several(count, one, many), on(scene));
    if count == 1 {
        text = format!("There is one {one}{}.", on(scene));
    }
    for object in from_left(scene) {
        let described = with_article(&format!("{}{}", extent(object, scene), object.full()));
        text.push_str(&format!(" {} is {}.", capital(&described), place(object, scene)));
    }
    if let Some((outer, inner)) = scene.inside
        && let (Some(outer), Some(inner)) = (scene.objects.get(outer), scene.objects.get(inner))
    {
        text.push_str(&format!(" The {} is inside the {}.", inner.full(), outer.full()));
    }
    caption("caption.long", text, scene, random, split)
}

/// The objects from left to right.
pub(crate) fn listed(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let objects = from_left(scene);
    let least = 0.05 * f64::from(scene.width);
    let clear = objects.windows(2).all(|pair| pair[1].centre().0 - pair[0].centre().0 > least);
    if objects.len() < 2 || objects.len() > 6 || !clear || scene.inside.is_some() {
        return None;
    }
    let names: Vec<String> = objects.iter().map(|object| object.full()).collect();
    caption("list.shapes", names.join(", "), scene, random, split)
}
