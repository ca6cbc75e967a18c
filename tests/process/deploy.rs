//! The files in `deploy/` and what the documentation tells operators to type, as far as both name settings.

use std::fs;
use std::path::Path;

use super::server::{Home, PROGRAM};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(PROJECT).join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn the_files_of_settings_can_be_used() {
    let home = Home::new();
    for file in ["deploy/bonafide.toml", "deploy/container.toml"] {
        let path = format!("{PROJECT}/{file}");
        let printed = home.prints(&["config", "check", &path]);
        let counts = printed.lines().filter(|line| line.contains(&path)).count();
        let text = read(file);
        let settings = text.lines().filter(|line| !line.starts_with('#') && line.contains(" = "));
        assert_eq!(counts, settings.count(), "{printed}");
    }
}

#[test]
fn every_variable_that_is_named_is_one_of_the_program() {
    let home = Home::new();
    let settings = home.prints(&["config", "check"]);
    let known = |name: &str| {
        let key = name.strip_prefix("BONAFIDE_").unwrap().to_lowercase();
        key == "config" || settings.lines().any(|line| line.starts_with(&format!("{key} = ")))
    };
    let mut named = 0;
    for file in ["deploy/Dockerfile", "deploy/compose.yaml", "deploy/bonafide.service", "docs/OPERATING.md"] {
        let text = read(file);
        let is_part = |character: char| character.is_ascii_uppercase() || character == '_';
        for word in text.split(|character| !is_part(character)).filter(|word| word.starts_with("BONAFIDE_")) {
            assert!(known(word), "{file} names {word}");
            named += 1;
        }
    }
    assert!(named > 10, "only {named} variables were found");
}

#[test]
fn a_container_asks_the_program_itself_whether_it_can_serve() {
    assert!(read("deploy/Dockerfile").contains("CMD [\"bonafide\", \"health\"]\n"));
    assert!(read("deploy/compose.yaml").contains("test: [\"CMD\", \"bonafide\", \"health\"]\n"));
    // With the settings of the image it asks where the server listens, on the machine itself.
    let home = Home::new();
    let settings = format!("{PROJECT}/deploy/container.toml");
    let output = home.run(&["health", "--config", &settings]);
    let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(told.contains("the server at http://127.0.0.1:8080 "), "{told}");
}

#[test]
fn every_command_that_operators_are_told_to_type_exists() {
    let text = read("docs/OPERATING.md");
    let lines = text.lines().filter_map(|line| line.strip_prefix("bonafide "));
    let mut commands: Vec<Vec<&str>> = lines
        .map(|line| {
            let words = line.split('#').next().unwrap_or_default().split_whitespace();
            words
                .take_while(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
                .collect()
        })
        .collect();
    commands.sort();
    commands.dedup();
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        let words = command.iter().take_while(|word| !word.starts_with('-') && **word != "default");
        let output = std::process::Command::new(PROGRAM).args(words).arg("--help").output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
