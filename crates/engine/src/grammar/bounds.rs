//! Numbers' excluded bounds become included ones next to them. The library lets the bound itself through where both bounds
//! have the same whole part (806 < x ≤ 806.5), and digits that end behind what a reader's doubles hold come down to it.

use serde_json::{Map, Value};

/// So far inside an excluded bound numbers begin, or as far as the next double is.
const STEP: f64 = 1e-9;

/// Maps whose values are schemas, whatever their keys.
const MAPS: [&str; 4] = ["$defs", "definitions", "patternProperties", "properties"];
/// Values that are no schemas.
const VALUES: [&str; 4] = ["const", "default", "enum", "examples"];

/// Rewrites the bounds of a schema and of all within it.
pub(super) fn include(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(include),
        Value::Object(fields) => {
            include_one(fields, "exclusiveMinimum", "minimum", |bound| (bound + STEP).max(bound.next_up()));
            include_one(fields, "exclusiveMaximum", "maximum", |bound| (bound - STEP).min(bound.next_down()));
            for (key, value) in fields {
                match value {
                    Value::Object(map) if MAPS.contains(&key.as_str()) => map.values_mut().for_each(include),
                    value if !VALUES.contains(&key.as_str()) => include(value),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// Puts what lies inside of an excluded bound in its place. In draft 4 `true` excludes the bound beside it.
fn include_one(fields: &mut Map<String, Value>, excluded: &str, included: &str, inside: fn(f64) -> f64) {
    let beside = fields.get(included).and_then(Value::as_f64);
    let bound = match fields.get(excluded) {
        Some(Value::Bool(true)) => beside,
        Some(Value::Number(bound)) => bound.as_f64(),
        _ => None,
    };
    let Some(inner) = bound.map(inside) else { return };
    // Of two bounds the narrower counts.
    let narrower = beside.is_none_or(|beside| if inside(0.0) > 0.0 { inner > beside } else { inner < beside });
    fields.shift_remove(excluded);
    if narrower {
        fields.insert(included.to_owned(), inner.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn excluded_bounds_move_inside() {
        for (schema, want) in [
            (json!({"exclusiveMinimum": 806, "maximum": 806.5}), json!({"maximum": 806.5, "minimum": 806.000000001})),
            (json!({"exclusiveMaximum": 0}), json!({"maximum": -1e-9})),
            (json!({"minimum": 3, "exclusiveMinimum": true}), json!({"minimum": 3.000000001})),
            (json!({"minimum": 3, "exclusiveMinimum": false}), json!({"minimum": 3, "exclusiveMinimum": false})),
            (json!({"minimum": 5, "exclusiveMinimum": 3}), json!({"minimum": 5})),
            (json!({"maximum": 5, "exclusiveMaximum": 7}), json!({"maximum": 5})),
            (json!({"exclusiveMinimum": 1e15}), json!({"minimum": 1e15f64.next_up()})),
        ] {
            let mut got = schema.clone();
            include(&mut got);
            assert_eq!(got, want, "{schema}");
        }
    }

    #[test]
    fn schemas_are_found_and_values_are_left() {
        let deep = |bound: Value| {
            json!({
                "properties": {"const": bound, "exclusiveMinimum": {"type": "null"}},
                "anyOf": [{"items": bound}],
                "$defs": {"a": {"additionalProperties": bound}},
            })
        };
        let mut got = deep(json!({"exclusiveMinimum": 1}));
        include(&mut got);
        assert_eq!(got, deep(json!({"minimum": 1.000000001})));
        let values = json!({"const": {"exclusiveMinimum": 1}, "enum": [{"exclusiveMinimum": 1}]});
        let mut got = values.clone();
        include(&mut got);
        assert_eq!(got, values);
    }
}
