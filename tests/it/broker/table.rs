//! The table of what the broker has names the tests that show it; they are to be there.

const TABLE: &str = include_str!("../../../infra/broker.md");

#[test]
fn every_test_the_table_names_is_there() {
    let tests = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/broker"));
    let named: Vec<&str> = TABLE.split('`').skip(1).step_by(2).filter(|code| code.contains("::")).collect();
    assert!(named.len() > 50, "{}", named.len());
    for name in named {
        let (module, test) = name.rsplit_once("::").expect("it has one");
        let file = tests.join(module.replace("::", "/"));
        let found = std::fs::read_to_string(file.with_extension("rs"))
            .or_else(|_| std::fs::read_to_string(file.join("mod.rs")));
        assert!(found.is_ok_and(|text| text.contains(&format!("fn {test}("))), "{name}");
    }
}
