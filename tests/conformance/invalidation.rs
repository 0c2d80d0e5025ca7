//! What an unsafe request clears (RFC 9111 §4.4).

use crate::lab::{Answer, Call, Gate, Lab};

/// Stores a path, sends a request that may change something, and asks again.
async fn word_after(lab: &Lab, stored: &str, method: &str, target: &str, answer: Answer) -> String {
    lab.says(stored, 200, &["Cache-Control: max-age=3600"], "first");
    lab.get(stored, &[]).await;
    assert_eq!(lab.get(stored, &[]).await.word(), "HIT", "{stored}");
    lab.origin.answers(target, [answer]);
    let body = if method == "DELETE" { "" } else { "{}" };
    let call = Call::send(lab.address(), &format!("{method} {target}"), &[] as &[&str], body).await;
    call.got(method).await;
    lab.get(stored, &[]).await.word().to_owned()
}

#[tokio::test]
async fn unsafe_methods_clear_rfc_9111_4_4() {
    let lab = Lab::new().await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "FOO", "PROPPATCH", "PURGE"] {
        for (status, word) in [
            (200, "MISS"),
            (201, "MISS"),
            (202, "MISS"),
            (204, "MISS"),
            (301, "MISS"),
            (302, "MISS"),
            (303, "MISS"),
            (307, "MISS"),
            (400, "HIT"),
            (403, "HIT"),
            (404, "HIT"),
            (409, "HIT"),
            (500, "HIT"),
            (502, "HIT"),
            (503, "HIT"),
        ] {
            let path = lab.path();
            let answer = Answer::with(status, &[] as &[&str], "done");
            assert_eq!(word_after(&lab, &path, method, &path, answer).await, word, "{method} {status}");
        }
    }
}

#[tokio::test]
async fn safe_methods_clear_nothing() {
    let lab = Lab::new().await;
    for method in ["OPTIONS", "HEAD"] {
        let path = lab.path();
        let answer = Answer::head(200, &["Content-Length: 0"]);
        assert_eq!(word_after(&lab, &path, method, &path, answer).await, "HIT", "{method}");
    }
}

#[tokio::test]
async fn location_and_content_location_of_the_same_origin_rfc_9111_4_4() {
    let lab = Lab::new().await;
    let origin = lab.origin.address();
    for (named, word) in [
        ("PATH".to_owned(), "MISS"),
        (format!("http://{origin}PATH"), "MISS"),
        (format!("HTTP://{origin}PATH"), "MISS"),
        (format!("//{origin}PATH"), "MISS"),
        ("./LAST".to_owned(), "MISS"),
        ("LAST".to_owned(), "MISS"),
        ("../row/LAST".to_owned(), "MISS"),
        ("PATH#fragment".to_owned(), "MISS"),
        ("http://shop.examplePATH".to_owned(), "MISS"),
        ("http://other.examplePATH".to_owned(), "HIT"),
        ("//other.examplePATH".to_owned(), "HIT"),
        (format!("http://{}:1PATH", origin.ip()), "HIT"),
        (format!("http://x@{origin}PATH"), "HIT"),
        ("ftp://shop.examplePATH".to_owned(), "HIT"),
        ("PATH/other".to_owned(), "HIT"),
    ] {
        for field in ["Location", "Content-Location"] {
            let path = lab.path();
            let last = path.rsplit('/').next().unwrap();
            let named = named.replace("PATH", &path).replace("LAST", last);
            let answer = Answer::with(201, &[format!("{field}: {named}")], "done");
            assert_eq!(word_after(&lab, &path, "POST", "/row/form", answer).await, word, "{field}: {named}");
            let answer = Answer::with(400, &[format!("{field}: {path}")], "no");
            let path = lab.path();
            assert_eq!(word_after(&lab, &path, "POST", "/row/form", answer).await, "HIT", "an error clears nothing");
        }
    }
}

#[tokio::test]
async fn every_query_and_every_variant_goes() {
    let lab = Lab::new().await;
    for (target, foo) in
        [("/a", "Foo: 1"), ("/a", "Foo: 2"), ("/a?b=1", "Foo: 1"), ("/ab", "Foo: 1"), ("/a/b", "Foo: 1")]
    {
        lab.says(target, 200, &["Cache-Control: max-age=3600", "Vary: Foo"], "first");
        lab.get(target, &[foo]).await;
        assert_eq!(lab.get(target, &[foo]).await.word(), "HIT");
    }
    lab.ask("DELETE", "/a", &[]).await;
    for (target, foo, word) in [
        ("/a", "Foo: 1", "MISS"),
        ("/a", "Foo: 2", "MISS"),
        ("/a?b=1", "Foo: 1", "MISS"),
        ("/ab", "Foo: 1", "HIT"),
        ("/a/b", "Foo: 1", "HIT"),
    ] {
        assert_eq!(lab.get(target, &[foo]).await.word(), word, "{target} {foo}");
    }
}

#[tokio::test]
async fn what_was_on_its_way_is_not_stored() {
    let lab = Lab::new().await;
    for held in ["head", "body"] {
        let (path, gate) = (lab.path(), Gate::shut());
        let answer = lab.answer(200, &["Cache-Control: max-age=3600"], "old");
        let held_answer = match held {
            "head" => Answer::default().wait(&gate).send(answer.bytes()),
            _ => Answer::head(200, &["Cache-Control: max-age=3600", "Content-Length: 3"])
                .send("o")
                .wait(&gate)
                .send("ld"),
        };
        lab.origin.answers(&path, [held_answer, Answer::with(200, &[] as &[&str], "done")]);
        let mut reading = lab.call("GET", &path, &[]).await;
        lab.origin.until_asked(&path, 1).await;
        if held == "body" {
            reading.sees("\r\n\r\no").await;
        }
        lab.ask("PUT", &path, &[]).await;
        lab.says(&path, 200, &["Cache-Control: max-age=3600"], "new");
        assert_eq!(lab.get(&path, &[]).await.body, "new", "{held}: nobody joins what began before");
        gate.open();
        let got = reading.got("GET").await;
        assert_eq!((got.body.as_str(), got.whole), ("old", true), "{held}: who asked before gets it");
        let got = lab.get(&path, &[]).await;
        assert_eq!((got.word(), got.body.as_str()), ("HIT", "new"), "{held}");
    }
}

#[tokio::test]
async fn it_is_cleared_before_the_client_hears_of_the_write() {
    let lab = Lab::new().await;
    let gate = Gate::shut();
    lab.says("/a", 200, &["Cache-Control: max-age=3600"], "first");
    lab.get("/a", &[]).await;
    lab.origin.answers("/a", [Answer::head(200, &["Content-Length: 4"]).send("do").wait(&gate).send("ne")]);
    let mut writing = lab.call("PUT", "/a", &[]).await;
    writing.sees("HTTP/1.1 200").await;
    assert_eq!(lab.get("/a", &[]).await.word(), "MISS");
    gate.open();
    assert_eq!(writing.got("PUT").await.body, "done");
}

#[tokio::test]
async fn groups_that_an_answer_names_rfc_9875() {
    let lab = Lab::new().await;
    for (groups, status, word) in [
        ("\"a\"", 200, "MISS"),
        ("\"b\"", 200, "MISS"),
        ("\"x\", \"a\"", 204, "MISS"),
        ("\"a\"", 303, "MISS"),
        ("\"a\"", 404, "HIT"),
        ("\"a\"", 500, "HIT"),
        ("\"A\"", 200, "HIT"),
        ("\"c\"", 200, "HIT"),
        ("a", 200, "HIT"),
        ("\"a", 200, "HIT"),
    ] {
        let (path, other) = (lab.path(), lab.path());
        for (path, named) in [(&path, "Cache-Groups: \"a\", \"b\""), (&other, "Cache-Groups: \"other\"")] {
            lab.says(path, 200, &["Cache-Control: max-age=3600", named], "first");
            lab.get(path, &[]).await;
        }
        lab.origin
            .answers("/row/form", [Answer::with(status, &[format!("Cache-Group-Invalidation: {groups}")], "done")]);
        lab.ask("POST", "/row/form", &[]).await;
        assert_eq!(lab.get(&path, &[]).await.word(), word, "{groups} {status}");
        assert_eq!(lab.get(&other, &[]).await.word(), "HIT", "{groups} {status}");
    }
    lab.says("/safe", 200, &["Cache-Control: max-age=3600", "Cache-Groups: \"a\""], "first");
    lab.get("/safe", &[]).await;
    lab.says("/reader", 200, &["Cache-Group-Invalidation: \"a\""], "nothing happens");
    lab.get("/reader", &[]).await;
    assert_eq!(lab.get("/safe", &[]).await.word(), "HIT", "a safe request clears nothing");
}
