//! Tells of certificates that come to their end: 30, 14, 7, 3 and 1 days before it, and when it is there.

use std::collections::HashMap;
use std::sync::Arc;

use sluice_config::{Certificate, Config};
use sluice_events::{Bus, CertificateExpiring, Emitter, Entity};

/// How many seconds before the end, the last first.
const STEPS: [i64; 6] = [0, DAY, 3 * DAY, 7 * DAY, 14 * DAY, 30 * DAY];
const DAY: i64 = 86_400;

/// Remembers what was told. Each step of a certificate is told once, and of steps that came together the last.
pub struct Expiry {
    emitter: Emitter<CertificateExpiring>,
    /// The step that was told of each certificate that ends at a time.
    told: HashMap<(u128, i64), i64>,
}

impl Expiry {
    /// Nothing was told yet.
    pub fn new(bus: &Arc<Bus>) -> Self {
        Self { emitter: bus.emitter(), told: HashMap::new() }
    }

    /// Looks at all certificates at this time, in Unix seconds.
    pub fn look(&mut self, config: &Config, now: i64) {
        for certificate in &config.certificates {
            let left = certificate.not_after - now;
            let Some(step) = STEPS.into_iter().find(|step| left < *step) else { continue };
            let key = (certificate.id.as_u128(), certificate.not_after);
            if self.told.get(&key).is_none_or(|told| step < *told) {
                self.told.insert(key, step);
                self.tell(certificate, left);
            }
        }
        self.told.retain(|(id, end), _| config.certificates.iter().any(|one| one.id.as_u128() == *id && one.not_after == *end));
    }

    fn tell(&self, certificate: &Certificate, left: i64) {
        let (name, days_left) = (certificate.name.as_str(), left.max(0) / DAY);
        match left {
            ..0 => tracing::error!(certificate = name, "a certificate has expired; it is served until there is another"),
            _ => tracing::warn!(certificate = name, days_left, "a certificate is about to expire"),
        }
        let json = serde_json::to_value(certificate).expect("a certificate has string keys only");
        self.emitter.emit(|| CertificateExpiring {
            certificate: Arc::new(Entity::new(certificate.id.as_u128(), json)),
            snis: certificate.snis.clone(),
            not_after: certificate.not_after,
            days_left,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_config::{ProcessEnvironment, Source, read};

    /// A configuration with a certificate of this name, and when it ends.
    fn config(name: &str) -> (Config, i64) {
        let made = rcgen::generate_simple_self_signed(vec![format!("{name}.example")]).expect("a name");
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let text = format!("[certificates.{name}]\ncert = \"\"\"\n{cert}\"\"\"\nkey = \"\"\"\n{key}\"\"\"\n");
        let draft = read(Source::new("t", text), &ProcessEnvironment);
        assert_eq!(draft.problems, []);
        let end = draft.config.certificates[0].not_after;
        (draft.config, end)
    }

    #[test]
    fn each_step_is_told_once_and_of_several_the_last() {
        let bus = Arc::<Bus>::default();
        bus.set_wanted(|_| true);
        let mut expiry = Expiry::new(&bus);
        let (site, end) = config("site");
        let mut look = |config: &Config, now: i64| {
            expiry.look(config, now);
            let mut all = Vec::new();
            bus.try_collect(&mut all);
            all.iter().map(|one| one.event.data()["days_left"].as_i64().expect("a number")).collect::<Vec<_>>()
        };
        assert_eq!(look(&site, end - 31 * DAY), Vec::<i64>::new());
        assert_eq!(look(&site, end - 30 * DAY), Vec::<i64>::new());
        assert_eq!(look(&site, end - 30 * DAY + 1), [29]);
        assert_eq!(look(&site, end - 20 * DAY), Vec::<i64>::new());
        assert_eq!(look(&site, end - 5 * DAY), [5]);
        assert_eq!(look(&site, end - 5 * DAY), Vec::<i64>::new());
        assert_eq!(look(&site, end - DAY / 2), [0]);
        assert_eq!(look(&site, end), Vec::<i64>::new());
        assert_eq!(look(&site, end + 1), [0]);
        assert_eq!(look(&site, end + 9 * DAY), Vec::<i64>::new());
        // Another one begins anew; so does one that was gone.
        assert_eq!(look(&config("other").0, end + 1), [0]);
        assert_eq!(look(&site, end - DAY - 1), [1]);
    }
}
