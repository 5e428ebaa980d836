//! Models that nobody can run: refused by place, through the command and through the gateway.
//!
//! Boundary: what is checked stands in `bpmn`; here a server meets it.
//! Read first: [`a_broken_model_is_refused_by_place`].

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use proto::gateway::{DeployResourceRequest, Resource};
use tonic::Code;

use super::shop::{Shop, manifest, model, one_task};

const SCRIPT: &str = r#"<zeebe:script expression="=a + b" resultVariable="sum"/>"#;

/// What is wrong, the bytes, and what must be said of it.
fn broken() -> Vec<(&'static str, Vec<u8>, [&'static str; 3])> {
    let good = one_task("sums", "scriptTask", SCRIPT);
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to).into_bytes()
    };
    let bomb = good.replace(
        "<bpmn:definitions",
        "<!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">\
         <!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">]>\n<bpmn:definitions",
    );
    let bomb = bomb.replace("id=\"task\"", "id=\"task\" name=\"&c;\"").into_bytes();
    let mut not_text = good.clone().into_bytes();
    let at = good.find("\"task\">").unwrap() + 1;
    not_text[at] = 0xff;
    vec![
        ("cut-off", good.as_bytes()[..good.len() - 12].to_vec(), ["BPMN-003", ":12:", "syntax"]),
        ("entities", bomb, ["BPMN-004", ":2:1", "document type declaration"]),
        ("no-text", not_text, ["BPMN-002", ":6:", "not UTF-8"]),
        ("ad-hoc", with("scriptTask", "adHocSubProcess"), ["BPMN-030", ":6:1", "ad-hoc"]),
        ("invented", with("scriptTask", "teaTask"), ["BPMN-030", ":6:1", "`teaTask`"]),
        (
            "nowhere",
            with("targetRef=\"finish\"", "targetRef=\"nowhere\""),
            ["BPMN-040", ":9:", "leads to `nowhere`"],
        ),
        (
            "feel",
            with("=a + b", "=a + + b)"),
            ["BPMN-090", ":7:27 (task)", "expected an expression, found `+`"],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_model_is_refused_by_place() {
    let shop = Shop::open();
    let mut gateway = shop.gateway().await;
    for (name, bytes, wanted) in broken() {
        let package = shop.package(name, &manifest(name));
        std::fs::write(package.join("processes/model.bpmn"), &bytes).unwrap();
        let output = shop.server.command(&["deploy", package.to_str().unwrap()]);
        let text = super::server::shown(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {text}");
        assert!(wanted.iter().all(|part| text.contains(part)), "{name}: {text}");
        assert!(text.contains("hint: "), "{name}: {text}");

        let resource = Resource { name: format!("{name}.bpmn"), content: bytes };
        let resources = vec![resource];
        let request = DeployResourceRequest { resources, ..DeployResourceRequest::default() };
        let status = gateway.deploy_resource(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{name}: {status}");
        let said = wanted.iter().all(|part| status.message().contains(part));
        assert!(said, "{name}: {}", status.message());
        shop.goes_on();
    }
    let processes = shop.server.get("/api/processes").expect(200).to_string();
    assert!(!processes.contains("sums"), "{processes}");
}

const HUGE: u64 = 200_000_000;

#[test]
fn a_file_of_200_mb_is_refused_before_it_is_read() {
    let shop = Shop::open();
    let package = shop.package("huge", &manifest("huge"));
    let file = std::fs::File::create(package.join("processes/model.bpmn")).unwrap();
    file.set_len(HUGE).unwrap();
    for command in [&["deploy"][..], &["package", "check"], &["package", "build"]] {
        let arguments = [command, &[package.to_str().unwrap()]].concat();
        let output = shop.server.command(&arguments);
        let text = super::server::shown(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let wanted = "error[PKG-007]: the file has 200000000 bytes, at most 33554432 are allowed";
        assert!(text.contains(wanted), "{text}");
    }
    shop.goes_on();
}

/// It is said in the head how much it will be: the answer comes before any of it is sent.
#[test]
fn a_body_of_200_mb_is_refused_at_its_head() {
    let shop = Shop::open();
    let mut stream = TcpStream::connect(&shop.server.http).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "POST /api/deployments HTTP/1.1\r\nhost: {}\r\ncontent-type: application/zstd\r\n\
         content-length: {HUGE}\r\n\r\n",
        shop.server.http
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    drop(stream);
    // Who sends all of it nevertheless is told, too.
    let part = vec![b' '; 1_000_000];
    let body = vec![part.as_slice(); 200];
    let answer = shop.server.send("POST", "/api/deployments", "application/zstd", &body);
    let problem = answer.expect(413);
    assert_eq!(problem["code"], "API-002", "{problem}");
    assert_eq!(problem["detail"], "more than 67108864 bytes");
    shop.goes_on();
}

/// A zstd frame of a tar file with one model of [`HUGE`] blanks: seven kilobytes.
fn small_archive_of_a_huge_file() -> Vec<u8> {
    const BLOCK: u32 = 128 << 10;
    let mut head = vec![0_u8; 512];
    let put = |head: &mut [u8], at: usize, text: &str| {
        head[at..at + text.len()].copy_from_slice(text.as_bytes());
    };
    put(&mut head, 0, "processes/model.bpmn");
    put(&mut head, 100, "0000644\0");
    put(&mut head, 108, "0000000\0");
    put(&mut head, 116, "0000000\0");
    put(&mut head, 124, &format!("{HUGE:011o}\0"));
    put(&mut head, 136, "00000000000\0");
    put(&mut head, 148, "        ");
    put(&mut head, 156, "0");
    put(&mut head, 257, "ustar\x0000");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    put(&mut head, 148, &format!("{sum:06o}\0 "));
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    let block = |kind: u32, bytes: u32, last: u32| {
        (last | kind << 1 | bytes << 3).to_le_bytes()[..3].to_vec()
    };
    frame.extend(block(0, 512, 0));
    frame.extend(head);
    for _ in 0..HUGE / u64::from(BLOCK) {
        frame.extend(block(1, BLOCK, 0));
        frame.push(b' ');
    }
    frame.extend(block(1, BLOCK, 1));
    frame.push(b' ');
    frame
}

#[test]
fn an_archive_that_unpacks_to_200_mb_is_refused() {
    let shop = Shop::open();
    let archive = small_archive_of_a_huge_file();
    assert!(archive.len() < 10_000);
    let answer =
        shop.server.send("POST", "/api/deployments", "application/zstd", &[archive.as_slice()]);
    let problem = answer.expect(422);
    assert_eq!(problem["problems"][0]["code"], "PKG-007", "{problem}");
    shop.goes_on();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_model_is_refused_by_the_gateway() {
    let shop = Shop::open();
    let mut text = model("huge", "");
    text.push_str(&" ".repeat(20_000_000));
    let resource = Resource { name: "huge.bpmn".to_owned(), content: text.into_bytes() };
    let resources = vec![resource];
    let request = DeployResourceRequest { resources, ..DeployResourceRequest::default() };
    let status = shop.gateway().await.deploy_resource(request).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("is larger than the limit of 4194304"), "{status}");
    shop.goes_on();
}
