//! Signed bytes that no platform would send: an error, dead or ignored, and never a panic.

use serde_json::{Value, json};

use super::{
    Body, Sample,
    webhook::{signed, sound},
};
use crate::Webhook;

/// How often each kind of damage is done.
const ROUNDS: usize = 300;

pub(super) fn garbage(sample: &dyn Sample, hook: &dyn Webhook) {
    let mut dice = Dice(0x5eed_0fca_b1e5_0001);
    let mut bodies = sample.others();
    bodies.push(sample.message());
    bodies.extend(sample.mixed().map(|mixed| mixed.body));
    for body in shapes() {
        survives(sample, hook, &body);
    }
    for _ in 0..ROUNDS {
        survives(sample, hook, &noise(&mut dice));
    }
    for body in &bodies {
        for _ in 0..ROUNDS {
            survives(sample, hook, &damaged(body, &mut dice));
        }
        for changed in retyped(body) {
            survives(sample, hook, &changed);
        }
    }
}

fn survives(sample: &dyn Sample, hook: &dyn Webhook, body: &Body) {
    let _witness = Witness(body);
    if let Ok(parsed) = signed(sample, hook, body) {
        sound(sample, hook, body, &parsed);
    }
}

/// Prints the bytes at hand when something panics over them.
struct Witness<'a>(&'a Body);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = String::from_utf8_lossy(&self.0.bytes);
            let start: String = text.chars().take(2000).collect();
            eprintln!("the body at fault, on route {:?}: {start}", self.0.route);
        }
    }
}

/// JSON, or nearly so, of other shapes.
fn shapes() -> Vec<Body> {
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let deep_map = format!("{}1{}", r#"{"a":"#.repeat(5_000), "}".repeat(5_000));
    let fixed = [
        "",
        " ",
        "null",
        "true",
        "0",
        "-1",
        "1e999",
        "\"\"",
        "\"x\"",
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        "{\"\":{}}",
        "{",
        "[",
        "\"",
        "payload=",
        "payload=%7B",
        "payload=null",
        "=",
        "&&&",
        "%",
        "%zz=%f",
        "command=",
        "\u{feff}{}",
        "\0",
        "{}{}",
        "{\"type\":1}",
        "{\"entry\":[0]}",
        "{\"object\":[],\"entry\":{}}",
        "{\"event\":[]}",
        "{\"update_id\":\"x\"}",
        "{\"update_id\":1e40}",
        "{\"type\":\"\\ud800\"}",
    ];
    let mut bodies: Vec<Body> = fixed.into_iter().map(Body::new).collect();
    bodies.extend([Body::new(deep), Body::new(deep_map)]);
    for route in ["/events", "/commands", "/interactivity", "/no-such-route"] {
        bodies.extend(fixed.map(|text| Body::on(route, text)));
    }
    bodies
}

fn noise(dice: &mut Dice) -> Body {
    let length = dice.below(200);
    Body::new((0..length).map(|_| dice.byte()).collect::<Vec<u8>>())
}

/// The body cut short, with a byte changed, dropped, doubled or a stretch repeated.
fn damaged(body: &Body, dice: &mut Dice) -> Body {
    let mut bytes = body.bytes.clone();
    let at = dice.below(bytes.len().max(1));
    match dice.below(5) {
        0 => bytes.truncate(at),
        1 => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = dice.byte()),
        2 => drop(bytes.drain(at..bytes.len().min(at + 1))),
        3 => bytes.insert(at, dice.byte()),
        _ => bytes.extend_from_within(at..),
    }
    Body::on(body.route, bytes)
}

/// The body with each of its JSON values replaced in turn by values of every other type.
fn retyped(body: &Body) -> Vec<Body> {
    let Ok(json) = serde_json::from_slice::<Value>(&body.bytes) else {
        return Vec::new();
    };
    let mut pointers = Vec::new();
    walk(&json, &mut String::new(), &mut pointers);
    let others = [
        json!(null),
        json!(true),
        json!(-1),
        json!(u64::MAX),
        json!(1.5e300),
        json!(""),
        json!("\u{0}\u{202e}x:y|z"),
        json!([]),
        json!([null, 1, "x", {}]),
        json!({}),
        json!({"type": "x", "id": [], "text": {}}),
    ];
    let changed = |pointer: &String, other: &Value| {
        let mut json = json.clone();
        *json.pointer_mut(pointer)? = other.clone();
        Some(Body::on(body.route, json.to_string()))
    };
    pointers
        .iter()
        .flat_map(|pointer| others.iter().filter_map(move |other| changed(pointer, other)))
        .collect()
}

fn walk(json: &Value, path: &mut String, pointers: &mut Vec<String>) {
    pointers.push(path.clone());
    let children: Vec<(String, &Value)> = match json {
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect()
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| (name.replace('~', "~0").replace('/', "~1"), field))
            .collect(),
        _ => Vec::new(),
    };
    for (name, child) in children {
        let length = path.len();
        path.push('/');
        path.push_str(&name);
        walk(child, path, pointers);
        path.truncate(length);
    }
}

/// Xorshift: the same garbage in every run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}
