//! Figures in the text format that Prometheus reads, version 0.0.4.

use std::fmt::{Display, Write};

/// How the text is labelled.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text that is being written: families of figures, each with its samples.
#[derive(Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins a family: `kind` is `counter`, `gauge` or `histogram`.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// A figure of the family.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.write(format_args!("{name}"));
        for (number, (label, value)) in labels.iter().enumerate() {
            let before = if number == 0 { '{' } else { ',' };
            self.write(format_args!("{before}{label}=\"{}\"", escaped(value)));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        self.write(format_args!("{end} {value}\n"));
    }

    /// What was written.
    pub fn into_text(self) -> String {
        self.0
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a text can be written to");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels_are_escaped() {
        let mut text = Exposition::default();
        text.family("a_total", "counter", "How many.");
        text.sample("a_total", &[("x", "q\"\\\n"), ("y", "/{id}")], 3);
        text.sample("b", &[], 0.5);
        let wanted = "# HELP a_total How many.\n# TYPE a_total counter\n\
                      a_total{x=\"q\\\"\\\\\\n\",y=\"/{id}\"} 3\nb 0.5\n";
        assert_eq!(text.into_text(), wanted);
    }
}
