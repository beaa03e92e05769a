//! The skills: one line a kind of sample.

use crate::{
    Error, Kit, Random, Sample, Split, cells, chart, films, kit::Need, reading, several, shape_skills, table, talk,
    things,
};

/// A kind of sample.
pub struct Skill {
    /// What mixes call it.
    pub name: &'static str,
    /// The group that it belongs to; a mix may name the group.
    pub group: &'static str,
    /// Its weight in the default mix and in its group's.
    pub weight: f64,
    /// What it draws with.
    pub needs: &'static [Need],
    /// Draws one: a function of the kit, the random numbers and the split alone.
    pub draw: fn(&Kit, &mut Random, Split) -> Sample,
}

const fn skill(
    name: &'static str,
    group: &'static str,
    weight: f64,
    needs: &'static [Need],
    draw: fn(&Kit, &mut Random, Split) -> Sample,
) -> Skill {
    Skill { name, group, weight, needs, draw }
}

/// All of them.
pub const SKILLS: &[Skill] = &[
    skill("single", "shapes", 1.5, &[], shape_skills::single),
    skill("easy", "shapes", 0.3, &[], shape_skills::easy),
    skill("count", "shapes", 1.5, &[], shape_skills::counting),
    skill("places", "shapes", 1.0, &[], shape_skills::places),
    skill("relation", "shapes", 2.0, &[], shape_skills::relations),
    skill("yesno", "shapes", 1.5, &[], shape_skills::yes_or_no),
    skill("caption", "shapes", 0.5, &[], shape_skills::captions),
    skill("pictures", "shapes", 0.6, &[], several::which),
    skill("differences", "shapes", 0.4, &[], several::differences),
    skill("moves", "films", 1.0, &[], films::moves),
    skill("comes-or-goes", "films", 0.6, &[], films::comes_or_goes),
    skill("changes-colour", "films", 0.8, &[], films::changes_colour),
    skill("order", "films", 1.0, &[], films::order),
    skill("read-easy", "read", 0.5, &[Need::Fonts], reading::easy),
    skill("read-plain", "read", 1.0, &[Need::Fonts], reading::plain),
    skill("read-word", "read", 2.0, &[Need::Fonts], reading::word),
    skill("read-letters", "read", 1.0, &[Need::Fonts], reading::invented),
    skill("read-number", "read", 2.0, &[Need::Fonts], reading::number),
    skill("read-line", "read", 1.0, &[Need::Fonts], reading::line),
    skill("read-several", "read", 1.0, &[Need::Fonts], reading::several),
    skill("read-strips", "read", 1.0, &[Need::Fonts], reading::strips),
    skill("read-sign", "read", 1.0, &[Need::Fonts], reading::sign),
    skill("bars-easy", "charts", 0.5, &[Need::Fonts], chart::easy),
    skill("bars", "charts", 2.0, &[Need::Fonts], chart::bars),
    skill("lines", "charts", 0.8, &[Need::Fonts], chart::line),
    skill("two-lines", "charts", 0.4, &[Need::Fonts], chart::two),
    skill("pie", "charts", 1.0, &[Need::Fonts], chart::pie),
    skill("table", "tables", 1.0, &[Need::Fonts], table::table),
    skill("small-talk", "talk", 0.4, &[], talk::talk),
    skill("talk-picture", "talk", 0.3, &[Need::Fonts], talk::about_a_picture),
    skill("name-easy", "things", 0.5, &[Need::Hands], things::naming::easy),
    skill("name", "things", 3.0, &[Need::Hands], things::naming::name),
    skill("cells", "things", 1.0, &[Need::Fonts, Need::Hands], cells::cells),
    skill("quarters", "things", 0.5, &[Need::Fonts, Need::Hands], cells::quarters),
    skill("rows", "things", 1.0, &[Need::Hands], things::rows::rows),
    skill("scenes", "things", 3.0, &[Need::Hands], things::scenes::scenes),
];

/// Skills with their weights, as `single,count=2` names them.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    /// Indices into [`SKILLS`] and the sums of the weights up to each, ending at 1.
    parts: Vec<(usize, f64)>,
}

impl Mix {
    /// The mix of a text: names of skills or groups, each with `=WEIGHT` behind it where it is not its own, between
    /// commas; the default mix of everything for the empty one.
    ///
    /// # Errors
    /// A name that is no skill's or group's, a weight that is none.
    pub fn parse(text: &str) -> Result<Mix, Error> {
        let mut weights = vec![0.0; SKILLS.len()];
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, weight) = match part.split_once('=') {
                None => (part, None),
                Some((name, weight)) => (name.trim(), Some(number(text, weight)?)),
            };
            let named: Vec<usize> = members(name);
            let sum: f64 = named.iter().filter_map(|&at| SKILLS.get(at)).map(|skill| skill.weight).sum();
            if named.is_empty() {
                return Err(Error::Unknown { name: name.to_owned(), kind: "skill", known: known() });
            }
            for at in named {
                if let (Some(total), Some(skill)) = (weights.get_mut(at), SKILLS.get(at)) {
                    *total += weight.map_or(skill.weight, |weight| weight * skill.weight / sum);
                }
            }
        }
        if weights.iter().all(|&weight| weight == 0.0) {
            weights = SKILLS.iter().map(|skill| skill.weight).collect();
        }
        let sum: f64 = weights.iter().sum();
        let mut upto = 0.0;
        let mut parts = Vec::new();
        for (at, weight) in weights.into_iter().enumerate().filter(|(_, weight)| *weight > 0.0) {
            upto += weight / sum;
            parts.push((at, upto));
        }
        Ok(Mix { parts })
    }

    /// Its skills.
    pub fn skills(&self) -> impl Iterator<Item = &'static Skill> {
        self.parts.iter().filter_map(|(at, _)| SKILLS.get(*at))
    }

    /// One of its skills, by their weights.
    pub fn pick(&self, random: &mut Random) -> Option<&'static Skill> {
        let unit = random.unit();
        let part = self.parts.iter().find(|(_, upto)| unit < *upto).or(self.parts.last());
        part.and_then(|(at, _)| SKILLS.get(*at))
    }
}

/// The skills of a name or a group; all for `all`.
fn members(name: &str) -> Vec<usize> {
    let ours = |skill: &Skill| skill.name == name || skill.group == name || name == "all";
    SKILLS.iter().enumerate().filter(|(_, skill)| ours(skill)).map(|(at, _)| at).collect()
}

/// The names of skills and groups, for messages.
fn known() -> String {
    let mut names: Vec<&str> = SKILLS.iter().map(|skill| skill.name).collect();
    for skill in SKILLS {
        if !names.contains(&skill.group) {
            names.push(skill.group);
        }
    }
    names.join(", ")
}

fn number(mix: &str, weight: &str) -> Result<f64, Error> {
    let wrong =
        || Error::Mix { mix: mix.to_owned(), what: format!("'{weight}' is no weight; one above 0 would be right") };
    let weight: f64 = weight.trim().parse().map_err(|_| wrong())?;
    if weight.is_finite() && weight > 0.0 { Ok(weight) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_are_parsed_and_what_is_none_is_refused() {
        let names = |text: &str| Mix::parse(text).unwrap().skills().map(|skill| skill.name).collect::<Vec<_>>();
        assert_eq!((names("").len(), names("all").len()), (SKILLS.len(), SKILLS.len()));
        assert_eq!(names("single=2"), ["single"]);
        assert!(names("shapes").contains(&"single"));
        assert!(Mix::parse("singel").unwrap_err().to_string().starts_with("'singel' is no skill; known are single"));
        for wrong in ["single=0", "single=x", "single=inf", "single=-1"] {
            assert!(Mix::parse(wrong).unwrap_err().to_string().contains("is no weight"), "{wrong}");
        }
    }
}
