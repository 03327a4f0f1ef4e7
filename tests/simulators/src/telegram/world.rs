//! The state behind the methods: chats, messages, updates waiting, files.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use serde_json::{Map, Value, json};

use super::{Chat, Config, User, text};
use crate::common::unix_seconds;

/// Messages and given-out updates remembered; the oldest are forgotten first.
const REMEMBERED: usize = 100_000;

/// An update not yet confirmed by the bot.
#[derive(Clone)]
pub(super) struct Pending {
    pub(super) id: i64,
    pub(super) chat: i64,
    pub(super) update: Value,
}

#[derive(Clone)]
pub(super) struct Webhook {
    pub(super) url: String,
    pub(super) secret: Option<String>,
    pub(super) max_connections: usize,
    pub(super) last_error: Option<(u64, String)>,
}

pub(super) struct Stored {
    pub(super) value: Value,
    pub(super) mine: bool,
}

pub(super) struct File {
    pub(super) path: String,
    pub(super) content: Vec<u8>,
}

pub(super) struct World {
    pub(super) bot: User,
    pub(super) pending: VecDeque<Pending>,
    given: BTreeMap<i64, Pending>,
    pub(super) webhook: Option<Webhook>,
    /// Chats with a webhook delivery under way.
    pub(super) busy: HashSet<i64>,
    pub(super) allowed_updates: Option<Vec<String>>,
    chats: HashMap<i64, Chat>,
    pub(super) blocked: HashSet<i64>,
    /// Groups that became supergroups: the new id by the old one.
    pub(super) moved: HashMap<i64, i64>,
    messages: BTreeMap<(i64, i64), Stored>,
    order: VecDeque<(i64, i64)>,
    pub(super) files: HashMap<String, File>,
    pub(super) callback_queries: HashSet<String>,
    pub(super) commands: Value,
    next_update: i64,
    next_message: i64,
}

impl World {
    pub(super) fn new(config: &Config) -> Self {
        let id = config.token.split(':').next().and_then(|id| id.parse().ok()).unwrap_or_default();
        let bot = User {
            id,
            first_name: "Zaki".to_owned(),
            username: Some(config.username.clone()),
            is_bot: true,
        };
        Self {
            bot,
            pending: VecDeque::new(),
            given: BTreeMap::new(),
            webhook: None,
            busy: HashSet::new(),
            allowed_updates: None,
            chats: HashMap::new(),
            blocked: HashSet::new(),
            moved: HashMap::new(),
            messages: BTreeMap::new(),
            order: VecDeque::new(),
            files: HashMap::new(),
            callback_queries: HashSet::new(),
            commands: json!([]),
            next_update: 100_000_001,
            next_message: 1,
        }
    }

    pub(super) fn introduce(&mut self, chat: &Chat) {
        self.chats.insert(chat.id, chat.clone());
    }

    pub(super) fn chat(&self, id: i64) -> Option<&Chat> {
        self.chats.get(&id)
    }

    /// A message of the given fields, remembered. The fields that are null are left out.
    pub(super) fn keep(&mut self, chat: &Chat, from: &User, fields: Value) -> Value {
        let id = self.next_message;
        self.next_message += 1;
        let mut message = json!({
            "message_id": id,
            "from": from.to_json(),
            "chat": chat.to_json(),
            "date": unix_seconds(),
        });
        merge(&mut message, fields);
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.messages.remove(&oldest);
        }
        self.order.push_back((chat.id, id));
        let stored = Stored { value: message.clone(), mine: from.is_bot };
        self.messages.insert((chat.id, id), stored);
        message
    }

    pub(super) fn incoming(&mut self, chat: &Chat, from: &User, said: &str, extra: Value) -> Value {
        self.introduce(chat);
        let entities = text::detect(said);
        // What has a caption has no text.
        let mut fields = if said.is_empty() { json!({}) } else { json!({"text": said}) };
        if !entities.is_empty() {
            fields["entities"] = json!(entities);
        }
        merge(&mut fields, extra);
        self.keep(chat, from, fields)
    }

    /// A fresh `media_group_id`.
    pub(super) fn media_group(&mut self) -> String {
        self.next_message += 1;
        format!("1{:016}", self.next_message)
    }

    pub(super) fn edited(&mut self, chat: &Chat, from: &User, id: i64, said: &str) -> Value {
        let mut message = match self.messages.get(&(chat.id, id)) {
            Some(stored) => stored.value.clone(),
            None => json!({
                "message_id": id, "from": from.to_json(), "chat": chat.to_json(),
                "date": unix_seconds(),
            }),
        };
        merge(&mut message, json!({"text": said, "edit_date": unix_seconds()}));
        if let Some(stored) = self.messages.get_mut(&(chat.id, id)) {
            stored.value = message.clone();
        }
        message
    }

    pub(super) fn callback_query(
        &mut self,
        chat: &Chat,
        from: &User,
        message_id: i64,
        data: &str,
    ) -> Value {
        let id = format!("{}{:08}", from.id, self.next_update);
        self.callback_queries.insert(id.clone());
        let message = match self.messages.get(&(chat.id, message_id)) {
            Some(stored) => stored.value.clone(),
            // An inaccessible message has date 0.
            None => json!({"message_id": message_id, "chat": chat.to_json(), "date": 0}),
        };
        json!({
            "id": id, "from": from.to_json(), "message": message,
            "chat_instance": chat.id.to_string(), "data": data,
        })
    }

    /// Queues a new update unless the bot did not ask for its kind.
    pub(super) fn queue(&mut self, kind: &str, content: &Value) -> i64 {
        let id = self.next_update;
        self.next_update += 1;
        let chat = content["chat"]["id"]
            .as_i64()
            .or_else(|| content["message"]["chat"]["id"].as_i64())
            .unwrap_or_default();
        let update = json!({"update_id": id, kind: content});
        let pending = Pending { id, chat, update };
        if self.given.len() == REMEMBERED {
            self.given.pop_first();
        }
        self.given.insert(id, pending.clone());
        if self.wants(kind) && self.pending.len() < REMEMBERED {
            self.pending.push_back(pending);
        }
        id
    }

    /// The kinds left out unless asked for by name are those of the Bot API's documentation.
    fn wants(&self, kind: &str) -> bool {
        match &self.allowed_updates {
            Some(kinds) if !kinds.is_empty() => kinds.iter().any(|k| k == kind),
            _ => !matches!(kind, "chat_member" | "message_reaction" | "message_reaction_count"),
        }
    }

    pub(super) fn queue_again(&mut self, update_id: i64) -> bool {
        let Some(pending) = self.given.get(&update_id) else {
            return false;
        };
        let at = self.pending.partition_point(|p| p.id < update_id);
        self.pending.insert(at, pending.clone());
        true
    }

    pub(super) fn given(&self, update_id: i64) -> Option<&Value> {
        self.given.get(&update_id).map(|p| &p.update)
    }

    pub(super) fn message(&mut self, chat: i64, id: i64) -> Option<&mut Stored> {
        self.messages.get_mut(&(chat, id))
    }

    pub(super) fn forget(&mut self, chat: i64, id: i64) -> bool {
        self.messages.remove(&(chat, id)).is_some()
    }

    pub(super) fn text_of(&self, chat: i64, id: i64) -> Option<String> {
        self.messages.get(&(chat, id))?.value["text"].as_str().map(str::to_owned)
    }

    pub(super) fn put_file(&mut self, id: &str, path: &str, content: Vec<u8>) {
        self.files.insert(id.to_owned(), File { path: path.to_owned(), content });
    }
}

/// Puts the fields of `more` into `object`, leaving out nulls.
pub(super) fn merge(object: &mut Value, more: Value) {
    let (Value::Object(object), Value::Object(more)) = (object, more) else {
        return;
    };
    let more: Map<String, Value> = more.into_iter().filter(|(_, v)| !v.is_null()).collect();
    object.extend(more);
}
