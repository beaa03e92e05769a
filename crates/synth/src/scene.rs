//! Scenes: objects of some size and turn, each at its place.

use crate::{Canvas, Colour, Ground, Named, Place, Random, Rgb, shapes::Shape, wordings::with_article};
use std::{fmt::Debug, sync::Arc};

/// What draws itself around (0, 0), within one unit of it: a thing.
pub trait Drawn: Debug + Send + Sync {
    /// What it is called.
    fn noun(&self) -> &str;

    /// What several of it are called.
    fn plural(&self) -> String {
        plural(self.noun())
    }

    /// Its name may also be one of these.
    fn also(&self) -> Vec<String> {
        Vec::new()
    }

    /// Its half width and half height, in units, when it is turned (clockwise, in degrees).
    fn reach(&self, turn: f64) -> (f64, f64);

    /// Draws it.
    fn draw(&self, canvas: &mut Canvas, place: &Place);
}

/// What an object is.
#[derive(Debug, Clone)]
pub enum What {
    /// A shape of a colour.
    Shape(Shape, &'static Named),
    /// A thing.
    Thing(Arc<dyn Drawn>),
}

/// How a shape is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Style {
    /// Filled with its colour.
    Filled,
    /// Its outline alone, of a width in pixels.
    Outlined(f64),
    /// Filled, with an outline of another colour and of a width in pixels.
    Bordered(Colour, f64),
}

/// One object of a scene.
#[derive(Debug, Clone)]
pub struct Object {
    /// What it is.
    pub what: What,
    /// The colour that it is drawn in, where it is a shape.
    pub paint: Colour,
    /// How it is drawn, where it is a shape.
    pub style: Style,
    /// Where it is.
    pub place: Place,
    /// Left, top, right and bottom, in pixels.
    pub bounds: [f64; 4],
}

/// A scene.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Its objects, in the order in which they are drawn.
    pub objects: Vec<Object>,
    /// The ground's colour, where it has a name.
    pub ground: Option<&'static Named>,
    /// The object that surrounds another, and the other.
    pub inside: Option<(usize, usize)>,
    /// Whether the objects stand in a row, from left to right.
    pub row: bool,
    /// Things that are not in it, which may be asked for; empty where all objects are shapes.
    pub absent: Vec<Arc<dyn Drawn>>,
}

impl Object {
    /// A shape, or a thing, that has no place yet.
    pub fn new(what: What, random: &mut Random) -> Object {
        let (paint, turn) = match &what {
            What::Shape(shape, colour) => (colour.draw(random), shape.turn),
            What::Thing(_) => (Colour(0, 0, 0), 0.0),
        };
        let place = Place { turn, ..Place::at(0.0, 0.0, 1.0) };
        Object { what, paint, style: Style::Filled, place, bounds: [0.0; 4] }
    }

    /// What it is called: "circle", "dog".
    pub fn noun(&self) -> &str {
        match &self.what {
            What::Shape(shape, _) => shape.kind.name(),
            What::Thing(thing) => thing.noun(),
        }
    }

    /// What several are called.
    pub fn plural(&self) -> String {
        match &self.what {
            What::Shape(shape, _) => plural(shape.kind.name()),
            What::Thing(thing) => thing.plural(),
        }
    }

    /// Its colour's name, where it is a shape.
    pub fn colour(&self) -> Option<&'static Named> {
        match &self.what {
            What::Shape(_, colour) => Some(colour),
            What::Thing(_) => None,
        }
    }

    /// The shape, where it is one.
    pub fn shape(&self) -> Option<&Shape> {
        match &self.what {
            What::Shape(shape, _) => Some(shape),
            What::Thing(_) => None,
        }
    }

    /// Other names of what it is.
    pub fn also(&self) -> Vec<String> {
        match &self.what {
            What::Shape(shape, _) => shape.kind.also().iter().map(|name| (*name).to_owned()).collect(),
            What::Thing(thing) => thing.also(),
        }
    }

    /// With its colour, where it has one: "red circle", "dog".
    pub fn full(&self) -> String {
        match self.colour() {
            Some(colour) => format!("{} {}", colour.name, self.noun()),
            None => self.noun().to_owned(),
        }
    }

    /// The middle of its bounds.
    pub fn centre(&self) -> (f64, f64) {
        let [left, top, right, bottom] = self.bounds;
        ((left + right) / 2.0, (top + bottom) / 2.0)
    }

    /// Its bounds' width and height.
    pub fn size(&self) -> (f64, f64) {
        let [left, top, right, bottom] = self.bounds;
        (right - left, bottom - top)
    }

    /// Moves it so that the middle of its bounds lies at a point, at a scale (pixels of one unit).
    pub fn put(&mut self, x: f64, y: f64, scale: f64) {
        self.place.scale = scale;
        let (left, top, right, bottom) = match &self.what {
            What::Shape(shape, _) => {
                let at = Place { x: 0.0, y: 0.0, ..self.place };
                let bounds = shape.path.clone().transform(at.transform()).and_then(|path| path.compute_tight_bounds());
                bounds.map_or((-scale, -scale, scale, scale), |b| {
                    (b.left().into(), b.top().into(), b.right().into(), b.bottom().into())
                })
            }
            What::Thing(thing) => {
                let (w, h) = thing.reach(self.place.turn);
                (-w * scale, -h * scale, w * scale, h * scale)
            }
        };
        self.place.x = x - (left + right) / 2.0;
        self.place.y = y - (top + bottom) / 2.0;
        let (w, h) = ((right - left) / 2.0, (bottom - top) / 2.0);
        self.bounds = [x - w, y - h, x + w, y + h];
    }

    /// Draws it.
    pub fn draw(&self, canvas: &mut Canvas) {
        match (&self.what, self.style) {
            (What::Thing(thing), _) => thing.draw(canvas, &self.place),
            (What::Shape(shape, _), Style::Filled) => canvas.fill(&shape.path, &self.place, self.paint, 1.0),
            (What::Shape(shape, _), Style::Outlined(width)) => {
                canvas.stroke(&shape.path, &self.place, self.paint, width, false);
            }
            (What::Shape(shape, _), Style::Bordered(border, width)) => {
                canvas.fill(&shape.path, &self.place, self.paint, 1.0);
                canvas.stroke(&shape.path, &self.place, border, width, false);
            }
        }
    }
}

impl Scene {
    /// The colours that its ground must let be seen.
    pub fn paints(&self) -> Vec<Colour> {
        let shapes = self.objects.iter().filter(|object| object.shape().is_some());
        shapes.map(|object| object.paint).collect()
    }

    /// Draws it on a ground. What is hard to see on it gets an outline.
    pub fn draw(&mut self, ground: Ground) -> Rgb {
        self.ground = ground.name;
        for object in &mut self.objects {
            let faint = object.shape().is_some() && ground.contrast(object.paint) < 0.12;
            if faint {
                let black = ground.contrast(Colour(0, 0, 0)) > ground.contrast(Colour(255, 255, 255));
                let border = if black { Colour(0, 0, 0) } else { Colour(255, 255, 255) };
                object.style = Style::Bordered(border, (object.place.scale * 0.1).max(1.0));
            }
        }
        let mut canvas = ground.canvas;
        self.objects.iter().for_each(|object| object.draw(&mut canvas));
        canvas.into_rgb()
    }

    /// Whether all of its objects are shapes.
    pub fn all_shapes(&self) -> bool {
        self.objects.iter().all(|object| object.shape().is_some())
    }

    /// What its objects are called, one and several: "shape", "object".
    pub fn nouns(&self, random: &mut Random) -> (&'static str, &'static str) {
        let unit = random.unit();
        match self.all_shapes() {
            true if unit < 0.7 => ("shape", "shapes"),
            true if unit < 0.8 => ("figure", "figures"),
            _ if unit < 0.92 => ("object", "objects"),
            _ => ("thing", "things"),
        }
    }

    /// How many of its objects are so.
    pub fn count(&self, so: impl Fn(&Object) -> bool) -> usize {
        self.objects.iter().filter(|object| so(object)).count()
    }

    /// What an object may be called so that no other is meant: by its noun, its colour, or both; the shortest first.
    pub fn names(&self, at: usize, object_noun: &str) -> Vec<String> {
        let Some(object) = self.objects.get(at) else { return Vec::new() };
        let mut names = Vec::new();
        if self.count(|other| other.noun() == object.noun() || near(other, object)) == 1 {
            names.push(object.noun().to_owned());
        }
        if let Some(colour) = object.colour() {
            if self.all_shapes() && self.count(|other| other.colour() == Some(colour)) == 1 {
                names.push(format!("{} {object_noun}", colour.name));
            }
            if self.count(|other| other.colour() == Some(colour) && other.noun() == object.noun()) == 1 {
                names.push(object.full());
            }
        }
        names
    }

    /// One of an object's names.
    pub fn name(&self, at: usize, object_noun: &str, random: &mut Random) -> Option<String> {
        match &self.names(at, object_noun)[..] {
            [] => None,
            names => Some(random.pick(names).clone()),
        }
    }
}

/// Whether one object's noun may be used of the other.
fn near(a: &Object, b: &Object) -> bool {
    match (a.shape(), b.shape()) {
        (Some(a), Some(b)) => a.kind != b.kind && a.kind.is_near(b.kind),
        _ => {
            a.noun() != b.noun()
                && (a.also().iter().any(|name| name == b.noun()) || b.also().iter().any(|n| n == a.noun()))
        }
    }
}

/// What several are called.
pub fn plural(noun: &str) -> String {
    match noun {
        "person" => "people".to_owned(),
        _ if ["s", "x", "z", "ch", "sh"].iter().any(|end| noun.ends_with(end)) => format!("{noun}es"),
        _ if noun.ends_with('y') && !vowel_before_y(noun) => {
            format!("{}ies", &noun[..noun.len() - 1])
        }
        _ => format!("{noun}s"),
    }
}

fn vowel_before_y(noun: &str) -> bool {
    noun.chars().rev().nth(1).is_some_and(|letter| "aeou".contains(letter))
}

/// "a red circle", "two dogs": a number of them, in words.
pub fn several(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => with_article(one),
        _ => format!("{} {many}", number(count)),
    }
}

/// A number to twelve in words; others in digits.
pub fn number(count: usize) -> String {
    const WORDS: [&str; 13] =
        ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
    WORDS.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::Kind;

    fn shape(kind: Kind, colour: &str) -> Object {
        let mut random = Random::new(1, 1);
        Object::new(What::Shape(Shape::draw(kind, &mut random), Named::of(colour).unwrap()), &mut random)
    }

    #[test]
    fn an_object_lies_where_it_is_put() {
        let mut object = shape(Kind::Rectangle, "red");
        object.place.turn = 90.0;
        object.put(50.0, 40.0, 20.0);
        let (w, h) = object.size();
        assert!(w < h && h <= 40.0 && h > 31.0, "{w} {h}");
        assert_eq!(object.centre(), (50.0, 40.0));
    }

    #[test]
    fn names_mean_one_object_alone() {
        let objects = vec![shape(Kind::Circle, "red"), shape(Kind::Circle, "blue"), shape(Kind::Star, "blue")];
        let scene = Scene { width: 9, height: 9, objects, ground: None, inside: None, row: false, absent: Vec::new() };
        assert_eq!(scene.names(0, "shape"), ["red shape", "red circle"]);
        assert_eq!(scene.names(1, "shape"), ["blue circle"]);
        assert_eq!(scene.names(2, "object"), ["star", "blue star"]);
    }

    #[test]
    fn plurals() {
        let all = ["cross", "circle", "cherry", "key", "fox", "person"].map(plural);
        assert_eq!(all, ["crosses", "circles", "cherries", "keys", "foxes", "people"]);
        assert_eq!(several(1, "oval", "ovals") + &several(3, "oval", "ovals"), "an ovalthree ovals");
    }
}
