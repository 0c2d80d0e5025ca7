//! A row of a table: an answer, some time, a second request, and what becomes of it.

use super::{Got, Lab};

/// What becomes of the second request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Became {
    /// Answered from the store.
    Hit,
    /// Answered from the store, stale.
    Stale,
    /// Answered with what was stored, once the origin had said that it still holds.
    Validated,
    /// Answered by the origin.
    Miss,
}

/// A row. Ten seconds pass unless it says otherwise; every date in it counts from before they do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    name: &'static str,
    status: u16,
    answer: &'static [&'static str],
    first: &'static [&'static str],
    after: u64,
    second: &'static [&'static str],
    became: Became,
    sent: &'static [&'static str],
    got: &'static [&'static str],
    got_status: Option<u16>,
}

const fn row(name: &'static str, answer: &'static [&'static str], became: Became) -> Row {
    let none: &[&str] = &[];
    Row {
        name,
        status: 200,
        answer,
        first: none,
        after: 10,
        second: none,
        became,
        sent: none,
        got: none,
        got_status: None,
    }
}

/// The second request is answered from the store.
pub(crate) const fn hit(name: &'static str, answer: &'static [&'static str]) -> Row {
    row(name, answer, Became::Hit)
}

/// The second request is answered from the store, stale.
pub(crate) const fn stale(name: &'static str, answer: &'static [&'static str]) -> Row {
    row(name, answer, Became::Stale)
}

/// The second request is answered with what is stored, after it was validated.
pub(crate) const fn validated(name: &'static str, answer: &'static [&'static str]) -> Row {
    row(name, answer, Became::Validated)
}

/// The second request is answered by the origin.
pub(crate) const fn miss(name: &'static str, answer: &'static [&'static str]) -> Row {
    row(name, answer, Became::Miss)
}

impl Row {
    pub(crate) const fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The fields of the first request.
    pub(crate) const fn first(mut self, fields: &'static [&'static str]) -> Self {
        self.first = fields;
        self
    }

    pub(crate) const fn after(mut self, seconds: u64) -> Self {
        self.after = seconds;
        self
    }

    /// The fields of the second request.
    pub(crate) const fn second(mut self, fields: &'static [&'static str]) -> Self {
        self.second = fields;
        self
    }

    /// Fields of the second request to the origin; a name alone must be absent.
    pub(crate) const fn sent(mut self, fields: &'static [&'static str]) -> Self {
        self.sent = fields;
        self
    }

    /// Fields of the second answer; a name alone must be absent.
    pub(crate) const fn got(mut self, fields: &'static [&'static str]) -> Self {
        self.got = fields;
        self
    }

    /// The status of the second answer where it is not the first's.
    pub(crate) const fn got_status(mut self, status: u16) -> Self {
        self.got_status = Some(status);
        self
    }

    /// What is wrong, if anything is.
    async fn run(&self, lab: &Lab, target: &str) -> Result<(), String> {
        lab.says(target, self.status, self.answer, "first");
        let given: Vec<String> = self.got.iter().map(|field| lab.dated(field)).collect();
        let sent: Vec<String> = self.sent.iter().map(|field| lab.dated(field)).collect();
        let second: Vec<String> = self.second.iter().map(|field| lab.dated(field)).collect();
        let second: Vec<&str> = second.iter().map(String::as_str).collect();
        let first = lab.get(target, self.first).await;
        let has_body = !matches!(self.status, 204 | 304);
        if first.status != self.status || has_body && first.body != "first" {
            return Err(format!("the first answer is {first:?}"));
        }
        lab.after(self.after);
        let got = lab.get(target, &second).await;
        let asked = lab.origin.asked(target);
        let again = asked.get(1);
        let became = match (again, got.word()) {
            (None, "HIT") => Became::Hit,
            (_, "STALE") => Became::Stale,
            (Some(_), "REVALIDATED") => Became::Validated,
            (Some(_), "MISS" | "BYPASS") if got.body != "first" => Became::Miss,
            _ => return Err(format!("asked {} times, got {got:?}", asked.len())),
        };
        if became != self.became {
            return Err(format!("{became:?} instead of {:?}: {:?}", self.became, got.head));
        }
        if let Some(again) = again.filter(|_| !sent.is_empty()) {
            sent.iter().try_for_each(|field| carries(&again.fields(name(field)), field, &again.head))?;
        }
        self.fits(&got, &given)
    }

    fn fits(&self, got: &Got, given: &[String]) -> Result<(), String> {
        let status = self.got_status.unwrap_or(if self.became == Became::Miss { 200 } else { self.status });
        let is_stored = self.became != Became::Miss && !matches!(status, 204 | 206 | 304 | 416);
        if got.status != status || !got.whole || is_stored && got.body != "first" {
            return Err(format!("expected {status}, got {got:?}"));
        }
        if self.became != Became::Miss && got.fields("age").len() != 1 {
            return Err(format!("one Age is missing in {:?}", got.head));
        }
        given.iter().try_for_each(|field| carries(&got.fields(name(field)), field, &got.head))
    }
}

fn name(field: &str) -> &str {
    field.split_once(':').map_or(field, |(name, _)| name)
}

/// Whether `field` is among the values of its name, or, if it is a name alone, there are none.
fn carries(values: &[&str], field: &str, head: &str) -> Result<(), String> {
    let fits = match field.split_once(':') {
        Some((_, value)) => values.contains(&value.trim()),
        None => values.is_empty(),
    };
    if fits { Ok(()) } else { Err(format!("{field:?} does not hold for {head:?}")) }
}

impl Lab {
    /// Runs every row, and then says all that is wrong.
    pub(crate) async fn holds(&self, rows: &[Row]) {
        let mut wrong = Vec::new();
        for row in rows {
            if let Err(what) = row.run(self, &self.path()).await {
                wrong.push(format!("{}: {what}", row.name));
            }
        }
        assert!(wrong.is_empty(), "{} of {} rows are wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    }
}
