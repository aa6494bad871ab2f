//! Completions and manual pages know every command.

use crate::support::processes::{program, run};

#[tokio::test]
async fn shells_complete_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ended = run(program().args(["completions", shell])).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        for word in ["doctor", "setup", "enqueue", "no-schedule"] {
            assert!(ended.stdout.contains(word), "{shell} does not complete {word}");
        }
    }
    let ended = run(program().args(["completions", "cmd"])).await;
    assert_eq!(ended.code, Some(2));
    // What is printed is a script that bash can read and that then completes.
    let script = run(program().args(["completions", "bash"])).await.stdout;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("completions.bash");
    std::fs::write(&file, script).unwrap();
    let tried = r#"source "$0"; COMP_WORDS=(cliprelay do); COMP_CWORD=1; _cliprelay cliprelay do cliprelay; echo "${COMPREPLY[@]}""#;
    let mut bash = std::process::Command::new("bash");
    let ended = run(bash.args(["-c", tried]).arg(&file)).await;
    assert_eq!(ended.stdout.trim(), "doctor", "{}", ended.stderr);
}

#[tokio::test]
async fn every_command_has_a_manual_page() {
    let ended = run(program().arg("man")).await;
    assert!(ended.code == Some(0) && ended.stdout.contains(".TH cliprelay 1"), "{}", ended.stdout);
    let folder = tempfile::tempdir().unwrap();
    let ended = run(program().args(["man", "--out"]).arg(folder.path())).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for page in ["cliprelay.1", "cliprelay-doctor.1", "cliprelay-setup.1", "cliprelay-serve.1"] {
        assert!(ended.stdout.contains(&format!("/{page}\n")), "{}", ended.stdout);
        let text = std::fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
}
