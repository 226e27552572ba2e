//! Every code has its page, and every page its code.

use sluice_types::Code;
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_code_has_a_page_and_an_entry_in_the_list() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    let list = std::fs::read_to_string(folder.join("README.md")).expect("the list exists");
    for (code, name) in Code::ALL {
        let page = std::fs::read_to_string(folder.join(format!("{code}.md")));
        let page = page.unwrap_or_else(|e| panic!("docs/errors/{code}.md for {name}: {e}"));
        assert!(page.starts_with(&format!("# {code} {name}\n")), "{code} opens with its number and name");
        for part in ["**What happened.**", "**Why.**", "**What to do.**"] {
            assert!(page.contains(part), "{code} says {part}");
        }
        assert!(list.contains(&format!("| [{code}]({code}.md) | {name} |")), "{code} {name} is in the list");
    }
    let known: BTreeSet<String> = Code::ALL.iter().map(|(code, _)| format!("{code}.md")).collect();
    let pages = std::fs::read_dir(folder).expect("the folder exists");
    let pages = pages.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
    let unknown: Vec<_> = pages.filter(|page| page != "README.md" && !known.contains(page)).collect();
    assert_eq!(unknown, Vec::<String>::new(), "pages without a code");
}
