//! An observer that remembers.

use std::sync::{Arc, Mutex};

use portcullis::{Event, Observer};

/// Keeps each event as its name and what of it does not depend on time. Clones share the list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Everything since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// How many events of this name there were.
    pub(crate) fn count(&self, name: &str) -> usize {
        let all = self.all();
        let names = all.iter().filter_map(|event| event.split(' ').next());
        names.filter(|event| *event == name).count()
    }
}

impl Observer for Recorder {
    fn observe(&self, event: &Event<'_>) {
        let line = match event {
            Event::KeysRefreshed {
                keys,
                skipped,
                added,
                in_grace,
                failed_over,
                ..
            } => {
                let failed_over = failed_over.map_or(String::new(), |error| {
                    format!(" failed_over={:?}", error.kind())
                });
                format!(
                    "keys_refreshed keys={keys} skipped={skipped} added={added} in_grace={in_grace}{failed_over}"
                )
            }
            Event::RefreshFailed { age, error, .. } => {
                let age = age.map(|age| age.as_secs());
                format!("refresh_failed age={age:?} {:?}", error.kind())
            }
            Event::UnknownKeyRefused { .. } => "unknown_key_refused".to_owned(),
            Event::JwksUriChanged { .. } => "jwks_uri_changed".to_owned(),
            Event::MetadataFailed { error, .. } => format!("metadata_failed {:?}", error.kind()),
            Event::SecretKeyPublished { .. } => "secret_key_published".to_owned(),
            other => format!("{other:?}"),
        };
        self.0.lock().unwrap().push(line);
    }
}
