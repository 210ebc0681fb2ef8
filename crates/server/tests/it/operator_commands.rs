//! The operator's commands: their output, for people and for programs, and their effects.

use crate::{
    harness::{Server, Setup, folder},
    raw_http,
};
use parlor::data_folder::DataFolder;
use parlor_protocol::error::Code;
use serde_json::Value;
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    process::Output,
    time::Duration,
};

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)))
}

#[tokio::test]
async fn operator_commands_answer_in_json_and_by_exit_code() {
    let mut server = Server::start().await;
    for is_running in [true, false] {
        if !is_running {
            server.stop().await;
        }
        let run = |arguments: &[&str]| {
            let output = server.run(&[arguments, &["--json"]].concat());
            (output.status.code().expect("it ends by itself"), json(&output))
        };
        let login = if is_running { "ada" } else { "ben" };
        let (code, added) = run(&["user", "add", login]);
        assert_eq!((code, &added["added"], added["password"].is_string()), (0, &Value::Bool(true), true), "{added}");
        assert_eq!(added["data"].as_str(), server.data().canonicalize().expect("there").to_str());
        let (code, again) = run(&["user", "add", login, "--if-absent"]);
        assert_eq!((code, &again["added"], &again["id"]), (0, &Value::Bool(false), &added["id"]), "{again}");
        assert!(again["password"].is_null(), "an invalid password is not printed");
        let refused: &[(&[&str], i32, &str)] = &[
            (&["user", "add", login], 5, "exists"),
            (&["user", "passwd", "nobody"], 4, "not_found"),
            (&["user", "add", "a b"], 3, "refused"),
            (&["user", "rename", login, "--name", ""], 3, "refused"),
            (&["context", "close", "--type", "a", "--id", "b"], 4, "not_found"),
        ];
        for (arguments, code, kind) in refused {
            let (found, failure) = run(arguments);
            assert_eq!((found, failure["error"]["kind"].as_str()), (*code, Some(*kind)), "{arguments:?}: {failure}");
        }
        let (code, listed) = run(&["user", "list"]);
        assert_eq!((code, listed["users"][0]["login"].as_str()), (0, Some("ada")), "{listed}");
        assert_eq!(server.run(&["user", "nonsense", "--json"]).status.code(), Some(2));
        let plain = server.run(&["user", "list"]);
        let stderr = String::from_utf8_lossy(&plain.stderr).into_owned();
        assert!(
            stderr.contains("the data folder is ") && stderr.contains(server.data().to_str().expect("text")),
            "{stderr}"
        );
    }
}

#[tokio::test]
async fn a_renamed_user_signs_in_by_the_new_name_and_others_see_it_at_once() {
    let server = Server::start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    ada.open_direct(&ben).await;
    let mut hers = ada.connect().await;
    server.must_run(&["user", "rename", &ben.login, "--to", "benjamin", "--name", "Benjamin"]);
    hers.settle(Duration::from_secs(10)).await.expect("heard");
    let seen: Value = ada.api.get(&format!("/v1/users/{}", ben.id)).await.unwrap_or_default();
    assert!(seen.is_null() || seen["name"] == "Benjamin", "{seen}");
    server.api().sign_in("benjamin", "correct horse").await.expect("by the new name");
    assert!(server.api().sign_in(&ben.login, "correct horse").await.is_err(), "and not by the old one");
    assert_eq!(server.run(&["user", "rename", "benjamin", "--to", &ada.login]).status.code(), Some(5));
    assert_eq!(ben.api.me().await.expect("the session continues").me.user.name, "Benjamin");
}

#[tokio::test]
async fn a_deleted_user_is_gone_and_their_messages_stay() {
    let server = Server::start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let conversation = ada.open_direct(&ben).await.id;
    ben.send(conversation, "what he wrote").await;
    let group = ben.group("a", &[&ada]).await;
    server.must_run(&["user", "delete", &ben.login]);
    assert_eq!(ben.api.me().await.expect_err("signed out").code(), Some(Code::NotSignedIn));
    assert!(server.api().sign_in(&ben.login, "correct horse").await.is_err());
    for path in [format!("/v1/conversations/{conversation}"), format!("/v1/conversations/{group}/members")] {
        let shown: Value = ada.api.get(&path).await.expect("it stays");
        let text = shown.to_string();
        assert!(text.contains("Deleted user") && !text.contains("\"ben\""), "{path}: {text}");
    }
    let page = ada.api.messages(conversation, "").await.expect("a member");
    assert!(page.messages.iter().any(|message| message.text == "what he wrote"));
    server.must_run(&["user", "add", &ben.login]);
    assert_eq!(server.run(&["user", "delete", "deleted:1"]).status.code(), Some(3), "a name that is no login");
    assert_eq!(server.run(&["user", "delete", "nobody"]).status.code(), Some(4));
}

#[tokio::test]
async fn a_server_waits_for_the_command_that_locks_its_data_folder() {
    let parent = folder();
    let data = parent.path().join("data");
    let held = DataFolder::lock(&data).expect("free");
    let starting = tokio::spawn({
        let data = data.clone();
        async move { Setup::new().in_folder(&data).start().await }
    });
    // waits for: a server that has begun to wait; one that does not wait has ended by then, and start() fails
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(!starting.is_finished());
    drop(held);
    let server = starting.await.expect("it starts");
    let refused = DataFolder::lock(&data).expect_err("it is the server's").to_string();
    assert!(refused.contains(&format!("process {} (", server.pid())) && refused.contains("serve"), "{refused}");
}

#[tokio::test]
async fn a_data_folder_that_others_can_read_is_closed_and_logged() {
    let parent = folder();
    let data = parent.path().join("data");
    fs::create_dir(&data).expect("made");
    fs::set_permissions(&data, Permissions::from_mode(0o755)).expect("ours");
    let server = Setup::new().in_folder(&data).start().await;
    assert_eq!(fs::metadata(&data).expect("there").permissions().mode() & 0o777, 0o700);
    assert!(server.log().contains("others could read the data folder"), "{}", server.log());
}

#[tokio::test]
async fn only_pages_of_allowed_origins_may_change_state() {
    let server = Setup::new()
        .with("public_url", "https://chat.example")
        .with("allowed_origins", "https://www.example, http://other.example:8080")
        .start()
        .await;
    let login = server.user("ada").await.login;
    let body = format!(r#"{{"login": "{login}", "password": "correct horse"}}"#);
    for (origin, status) in [
        ("https://chat.example", 200),
        ("https://www.example", 200),
        ("http://other.example:8080", 200),
        ("http://www.example", 403),
        ("https://www.example:444", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ] {
        let headers = [("Content-Type", "application/json"), ("Origin", origin)];
        let answer = raw_http::ask(server.address(), "POST", "/v1/session", &headers, &body).await;
        assert_eq!(answer.status, status, "{origin}");
    }
}
