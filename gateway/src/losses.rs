//! What of a request its target cannot express: nothing is dropped in silence.

use llm::Error;

/// One field that a target has no words for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Where it stands in the request, `tools[0].strict`.
    pub field: String,
    /// What became of it, and why: `is left out, because …`.
    pub why: String,
}

/// The fields that one translation lost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses(Vec<Loss>);

/// What an endpoint does about them: `unsupported_fields` in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnLoss {
    /// The call goes on, and the header `x-tidegate-warnings` names the fields.
    #[default]
    Warn,
    /// The call is refused.
    Refuse,
}

/// Bytes of the warning header at most; servers in front of us refuse headers of more than a few KiB.
const HEADER_BYTES_MAX: usize = 2048;

impl Losses {
    /// Notes a field and what became of it.
    pub(crate) fn add(&mut self, field: impl Into<String>, why: impl Into<String>) {
        self.0.push(Loss { field: field.into(), why: why.into() });
    }

    /// Takes over what another translation of the same call lost.
    pub(crate) fn extend(&mut self, other: &Losses) {
        self.0.extend_from_slice(&other.0);
    }

    pub(crate) fn as_slice(&self) -> &[Loss] {
        &self.0
    }

    /// The endpoint's word on what was lost.
    pub(crate) fn judge(&self, on_loss: OnLoss) -> Result<(), Error> {
        match self.0.first() {
            Some(loss) if on_loss == OnLoss::Refuse => Err(Error::invalid(
                loss.field.clone(),
                format!(
                    "`{}` {}; leave it out, or set `unsupported_fields: warn` for this endpoint",
                    loss.field, loss.why
                ),
            )),
            _ => Ok(()),
        }
    }

    /// The fields and their fates as the value of a header; `None` where nothing was lost.
    pub(crate) fn header(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let mut text = String::new();
        for loss in &self.0 {
            let entry = format!("{}{} {}", if text.is_empty() { "" } else { "; " }, loss.field, loss.why);
            if text.len() + entry.len() > HEADER_BYTES_MAX {
                text.push_str("; …and more");
                break;
            }
            text.push_str(&entry);
        }
        Some(text.chars().map(|it| if it.is_ascii_graphic() || it == ' ' { it } else { '?' }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_told_or_refused() {
        let mut losses = Losses::default();
        assert_eq!(losses.header(), None);
        assert!(losses.judge(OnLoss::Refuse).is_ok());
        losses.0.push(Loss { field: "seed".into(), why: "is left out: no seeds there".into() });
        losses.0.push(Loss { field: "n\u{e9}".into(), why: "is capped".into() });
        assert_eq!(losses.header().unwrap(), "seed is left out: no seeds there; n? is capped");
        assert!(losses.judge(OnLoss::Warn).is_ok());
        let Err(Error::Invalid { message, param }) = losses.judge(OnLoss::Refuse) else { panic!("let through") };
        assert_eq!(param.as_deref(), Some("seed"));
        assert!(message.starts_with("`seed` is left out: no seeds there; leave it out, or set"), "{message}");
    }
}
