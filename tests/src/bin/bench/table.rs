//! A report for programs on standard output, and for people beside it.

use std::io::{IsTerminal, stderr};

use serde_json::Value;

/// Prints a report: JSON, and a table where somebody is looking.
pub(crate) fn print(report: &Value) {
    let mut report = report.clone();
    round(&mut report);
    println!("{report:#}");
    if stderr().is_terminal() {
        let mut lines = Vec::new();
        flatten("", &report, &mut lines);
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, value) in lines {
            eprintln!("{name:width$}  {value:>14}");
        }
    }
}

/// Three digits after the point are more than a measurement is worth.
fn round(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or_default();
            *value = Value::from((number * 1000.0).round() / 1000.0);
        }
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Object(fields) => fields.values_mut().for_each(round),
        _ => {}
    }
}

fn flatten(name: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                flatten(&key, value, lines);
            }
        }
        Value::Array(items) => {
            for (n, value) in items.iter().enumerate() {
                flatten(&format!("{name}.{n}"), value, lines);
            }
        }
        Value::String(text) => lines.push((name.to_owned(), text.clone())),
        other => lines.push((name.to_owned(), other.to_string())),
    }
}
