//! Hears what is logged as an error: a person would have to act, so the seed has failed.

use std::cell::RefCell;
use std::fmt::Write;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

thread_local! {
    static HEARD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// A layer that remembers errors, per thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alarm;

impl Alarm {
    /// What was logged as an error on this thread since it was last asked.
    #[must_use]
    pub fn take() -> Vec<String> {
        HEARD.with(|heard| std::mem::take(&mut *heard.borrow_mut()))
    }
}

impl<S: Subscriber> Layer<S> for Alarm {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::ERROR {
            let mut text = Text(String::new());
            event.record(&mut text);
            HEARD.with(|heard| heard.borrow_mut().push(text.0));
        }
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string cannot fail.
        let _: std::fmt::Result = write!(self.0, "{}={value:?} ", field.name());
    }
}
