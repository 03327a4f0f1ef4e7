use super::*;

#[test]
fn strange_frames_are_skipped_and_known_ones_survive_strange_fields() {
    let frame: Frame = serde_json::from_value(json!({"type": "new", "x": 1})).unwrap();
    assert!(matches!(frame, Frame::Other));
    let chat = json!({"runId": "r", "sessionKey": "s", "state": "dreaming", "replace": null,
                      "message": {"content": {"odd": true}}});
    let Some(SessionEvent::Chat(chat)) = SessionEvent::parse("chat", chat) else {
        unreachable!("a chat event");
    };
    assert_eq!(chat.state, ChatState::Other);
    assert_eq!(chat.message.unwrap().content.text(), "");
    assert!(SessionEvent::parse("tick", json!({})).is_none());
}

#[test]
fn files_stand_in_the_transcript_with_the_run_they_are_of() {
    // As captured of 2026.9.6.
    let history: History = serde_json::from_value(json!({"messages": [{
        "role": "assistant",
        "content": [
            {"type": "text", "text": "here is a picture"},
            {"type": "image", "artifactId": "artifact_managed_image_12", "alt": "pic.png",
             "url": "/api/chat/media/outgoing/x/12/full", "mimeType": "image/png",
             "width": 64, "height": 64, "sizeBytes": 168},
        ],
        "__openclaw": {"runId": "r1", "seq": 2},
    }]}))
    .unwrap();
    let row = &history.messages[0];
    let files = row.content.files();
    assert_eq!((row.run(), row.content.text().as_str()), (Some("r1"), "here is a picture"));
    assert_eq!((files[0].artifact(), files[0].name()), ("artifact_managed_image_12", "pic.png"));
    assert_eq!((files.len(), files[0].mime().as_str()), (1, "image/png"));
}

#[test]
fn history_keeps_the_rows_it_can_read() {
    let history: History = serde_json::from_value(json!({
        "messages": [
            {"role": "user", "content": "hi", "idempotencyKey": "t:user"},
            {"role": 7},
            {"role": "assistant", "stopReason": "stop", "usage": {"input": 3, "output": 1},
             "content": [{"type": "thinking", "text": "no"}, {"type": "text", "text": "yes"}]},
        ],
        "sessionInfo": {"hasActiveRun": true},
    }))
    .unwrap();
    assert!(history.is_active());
    assert_eq!(history.messages.len(), 2);
    assert_eq!(history.messages[1].content.text(), "yes");
}
