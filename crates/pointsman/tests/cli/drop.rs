//! The drop folder: real archives in a real folder (DROP-1, DROP-2, DROP-3).

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::server::{Server, pointsman};

/// Repeats a question until it is answered.
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1_200 {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("never: {what}");
}

/// The archive of a package with nothing in it but its dependencies and start-up services.
fn archive(directory: &Path, name: &str, version: &str, more: &str) -> PathBuf {
    let root = directory.join("sources").join(name);
    fs::create_dir_all(&root).unwrap();
    let manifest =
        format!("name = \"{name}\"\nversion = \"{version}\"\ndescription = \"x\"\n{more}");
    fs::write(root.join("package.toml"), manifest).unwrap();
    let out = directory.join(format!("{name}-{version}.tar.zst"));
    let mut build = pointsman();
    build.args(["package", "build"]).arg(&root).arg("-o").arg(&out);
    assert!(build.output().unwrap().status.success());
    out
}

fn start(directory: &Path, name: &str) -> Server {
    Server::start_with(directory, name, &["--drop-folder", "drop", "--name", name])
}

/// Puts a file into the inbox as a copying program does.
fn drop_in(directory: &Path, file: &Path) -> String {
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    fs::copy(file, directory.join("drop/inbox").join(&name)).unwrap();
    name
}

/// What came of a file, when it is known.
fn result(directory: &Path, folder: &str, name: &str) -> Value {
    let path = directory.join("drop").join(folder).join(format!("{name}.result.json"));
    let file = directory.join("drop").join(folder).join(name);
    let text = wait_for(&path.display().to_string(), || {
        fs::read_to_string(&path).ok().filter(|_| file.is_file())
    });
    serde_json::from_str(&text).unwrap()
}

fn is_empty(folder: PathBuf) -> bool {
    fs::read_dir(folder).unwrap().flatten().all(|entry| entry.file_name() == ".lock")
}

#[test]
fn archives_that_need_each_other_deploy_together_and_the_others_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path();
    let server = start(directory, "a");
    // The one that needs the other comes first.
    let needs = archive(directory, "orders", "1.0.0", "[dependencies]\nbase = \"^1\"\n");
    let base = archive(directory, "base", "1.0.0", "");
    let other = archive(directory, "other", "1.0.0", "");
    let lonely = archive(directory, "lonely", "1.0.0", "[dependencies]\nnobody = \"^1\"\n");
    let names: Vec<String> =
        [&needs, &base, &other, &lonely].into_iter().map(|file| drop_in(directory, file)).collect();
    let orders = result(directory, "done", &names[0]);
    assert_eq!(orders["outcome"], "done");
    assert_eq!(orders["packages"].as_array().unwrap().len(), 2, "{orders}");
    assert_eq!(result(directory, "done", &names[1])["deployment"], orders["deployment"]);
    assert_ne!(result(directory, "done", &names[2])["deployment"], orders["deployment"]);
    let refused = result(directory, "failed", &names[3]);
    assert_eq!((&refused["outcome"], &refused["code"]), (&"refused".into(), &"NODE-012".into()));
    assert_eq!(refused["problems"][0]["code"], "PKG-015");
    let list = server.run(&["package", "list"]);
    for name in ["orders", "base", "other"] {
        assert!(list.contains(&format!("{name} 1.0.0 yes")), "{list}");
    }
    // DROP-1: everything has left the inbox and the work.
    wait_for("the batch's end", || is_empty(directory.join("drop/work")).then_some(()));
    assert!(is_empty(directory.join("drop/inbox")));
}

#[test]
fn what_is_half_written_is_left_alone_and_what_is_damaged_is_reported() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path();
    let server = start(directory, "a");
    let bytes = fs::read(archive(directory, "slow", "1.0.0", "")).unwrap();
    let inbox = directory.join("drop/inbox");
    let mut half = fs::File::create(inbox.join("slow.tar.zst")).unwrap();
    half.write_all(&bytes[..bytes.len() / 2]).unwrap();
    fs::write(inbox.join("part.tar.zst.part"), b"not yet").unwrap();
    // Another one goes through meanwhile: the half one is not waited for without end.
    let quick = drop_in(directory, &archive(directory, "quick", "1.0.0", ""));
    assert_eq!(result(directory, "done", &quick)["outcome"], "done");
    assert!(inbox.join("slow.tar.zst").exists(), "it is still being written");
    half.write_all(&bytes[bytes.len() / 2..]).unwrap();
    drop(half);
    assert_eq!(result(directory, "done", "slow.tar.zst")["outcome"], "done");

    fs::write(inbox.join("bad.tar.zst"), &bytes[..bytes.len() / 2]).unwrap();
    fs::write(inbox.join("note.txt"), "hello").unwrap();
    for name in ["bad.tar.zst", "note.txt"] {
        let refused = result(directory, "failed", name);
        assert_eq!(refused["outcome"], "refused");
        assert!(!refused["problems"][0]["message"].is_null(), "{refused}");
    }
    assert!(inbox.join("part.tar.zst.part").exists());
    assert!(server.run(&["package", "list"]).contains("slow 1.0.0 yes"));
    // A later one of the same name replaces what came of it.
    fs::write(directory.join("bad.tar.zst"), &bytes).unwrap();
    drop_in(directory, &directory.join("bad.tar.zst"));
    result(directory, "done", "bad.tar.zst");
    let old = directory.join("drop/failed/bad.tar.zst");
    wait_for("the old one's end", || (!old.exists()).then_some(()));
}

#[test]
fn a_server_that_is_killed_in_the_middle_loses_none() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path();
    let mut server = start(directory, "a");
    let starts = format!(
        "startup = [\"wait\"]\n[services.wait]\nkind = \"command\"\nprogram = \"/bin/sh\"\n\
         args = [\"-c\", \"touch {0}/in; while [ ! -e {0}/go ]; do sleep 0.02; done\"]\n",
        directory.display()
    );
    let name = drop_in(directory, &archive(directory, "slow", "1.0.0", &starts));
    wait_for("the start-up service", || directory.join("in").exists().then_some(()));
    server.signal(Signal::SIGKILL);
    server.wait();
    // DROP-3: it is where it was claimed, and comes while nobody serves.
    assert!(!directory.join("drop/inbox").join(&name).exists());
    let late = drop_in(directory, &archive(directory, "late", "1.0.0", ""));
    fs::write(directory.join("go"), "").unwrap();
    let server = start(directory, "a");
    assert_eq!(result(directory, "done", &name)["outcome"], "done");
    assert_eq!(result(directory, "done", &late)["outcome"], "done");
    let list = server.run(&["package", "list"]);
    assert!(list.contains("slow 1.0.0 yes") && list.contains("late 1.0.0 yes"), "{list}");
}

#[test]
fn of_two_servers_on_one_folder_one_takes_a_set() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path();
    // Each has a store of its own, so that it shows who deployed what.
    let servers = [start(directory, "a"), start(directory, "b")];
    let mut names = Vec::new();
    for round in 0..5 {
        let (base, needs) = (format!("base{round}"), format!("needs{round}"));
        let more = format!("[dependencies]\n{base} = \"^1\"\n");
        // DROP-2: a set that is torn apart would be refused.
        let files =
            [archive(directory, &needs, "1.0.0", &more), archive(directory, &base, "1.0.0", "")];
        names.extend(files.iter().map(|file| drop_in(directory, file)));
        let last = &names[names.len() - 2..];
        let [one, two] = [0, 1].map(|number| result(directory, "done", &last[number]));
        assert_eq!(one["deployment"], two["deployment"]);
    }
    let lists = servers.each_ref().map(|server| server.run(&["package", "list"]));
    for name in &names {
        let name = name.trim_end_matches(".tar.zst").replace('-', " ");
        let number = lists.iter().filter(|list| list.contains(&name)).count();
        assert_eq!(number, 1, "{name}: {lists:?}");
    }
}
