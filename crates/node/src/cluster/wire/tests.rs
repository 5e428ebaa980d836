//! What one server writes, another reads.

use engine::ids::{InstanceKey, JobKey, ShardId};
use feel::Context;

use super::{Answer, Order, Request, Trouble, read, write};
use crate::error::Error;
use crate::input::{NewDocument, Which};

fn through(request: &Request) -> String {
    let read: Request = read(&write(request)).expect("it can be read");
    format!("{read:?}")
}

#[test]
fn requests_survive_the_way() {
    let variables = Context::builder().with("total", 12).with("name", "ab").build();
    let documents = vec![NewDocument {
        document_type: "shop/order".into(),
        source: "/shop".into(),
        id: None,
        content: variables.clone(),
    }];
    let requests = [
        Request::Command {
            instance: InstanceKey(7),
            order: Order::Complete { job: JobKey(7), variables: variables.clone() },
        },
        Request::Create {
            shard: ShardId(2),
            which: Which::Enabled("order".into()),
            variables: variables.clone(),
            wait_ms: Some(5),
        },
        Request::Create {
            shard: ShardId(2),
            which: Which::Version("order".into(), 3),
            variables,
            wait_ms: None,
        },
        Request::Publish { shard: ShardId(1), documents },
        Request::Look,
    ];
    for request in requests {
        assert_eq!(through(&request), format!("{request:?}"));
    }
}

#[test]
fn an_error_says_the_same_at_the_other_server() {
    let errors = [
        Error::not_found("job", "7"),
        Error::Overloaded,
        Error::Timeout { what: "the instance", ms: 12 },
        Error::UnknownType { name: "oder".into(), nearest: Some("order".into()) },
        Error::Schema {
            name: "shop/order".into(),
            detail: "at `/total`: too small".into(),
            violations: vec![("/total".into(), "too small".into())],
        },
        Error::Refused {
            problems: vec![host::Diagnostic::error("PKG-003", "package.toml", "no".into(), "yes")],
        },
    ];
    for error in errors {
        let answer = Answer::Failed(Trouble::from(error.clone()));
        let Ok(Answer::Failed(trouble)) = read(&write(&answer)) else { panic!("no error") };
        assert_eq!(format!("{:?}", Error::from(trouble)), format!("{error:?}"));
    }
}

#[test]
fn what_is_no_request_is_an_error() {
    for bytes in [&b""[..], b"\xff", b"\x82\x18\x63\x80", b"hello"] {
        assert!(read::<Request>(bytes).is_err());
    }
}
