//! Privacy: the class of a request, and which places may receive it.

use super::Case;
use crate::domain::{Counted, DataClass, Endpoint, Finding, Residency, Tier};
use crate::policy::decision::{Reason, Rejected};
use crate::policy::settings::{OnViolation, PrivacyRule};
use std::sync::Arc;

impl Case<'_> {
    /// The class of the request: that of its most sensitive part.
    pub(in crate::policy) fn class(&self) -> DataClass {
        let default = &self.settings.privacy.default_class;
        self.parts().fold(default, higher_of).clone()
    }

    /// The class of each part: of every finding, of what could not be read, and what the caller says of the whole.
    pub(super) fn parts(&self) -> impl Iterator<Item = &DataClass> {
        // What was found before reading broke off counts beside what may be in the rest.
        self.unseen().chain(self.found())
    }

    /// The classes that rest on no finding, so that no replacing can lower them: what the caller says, what could not
    /// be read to its end, what nobody here can read at all.
    fn unseen(&self) -> impl Iterator<Item = &DataClass> {
        let privacy = &self.settings.privacy;
        let assumed = self
            .signals
            .personal
            .as_ref()
            .is_some_and(|reading| reading.is_assumed());
        let unread = assumed.then_some(&privacy.on_error);
        let attachments = privacy.attachments.as_ref();
        let attachments = attachments.filter(|_| self.request.needs.attachments);
        // A name that no class has was refused at admission.
        let asked = self.request.tightening.data_class.as_ref();
        let asked = asked.and_then(|name| privacy.classes.iter().find(|class| class.name == *name));
        asked.into_iter().chain(unread).chain(attachments)
    }

    /// The class of every finding that raises one.
    fn found(&self) -> impl Iterator<Item = &DataClass> {
        let privacy = &self.settings.privacy;
        let reading = self.signals.personal.as_ref();
        let found = reading.map_or(&[][..], |reading| &reading.value.0);
        let raised = |finding: &Finding| {
            let rules = privacy.raises.iter().filter(|rule| {
                rule.any.contains(&finding.kind) && finding.certainty >= rule.at_least
            });
            rules.map(|rule| &rule.class).reduce(higher_of)
        };
        found.iter().filter_map(raised)
    }

    /// On which terms the endpoint may receive the request: as it is (`None`), or with this personal data replaced.
    ///
    /// # Errors
    /// Why it may not receive it at all.
    pub(super) fn terms(
        &self,
        endpoint: &Endpoint,
        class: &DataClass,
    ) -> Result<Option<Arc<Counted>>, Reason> {
        self.terms_at(endpoint.tier, &endpoint.residency, class)
    }

    /// The same of a place of that tier and residency, which need not be an endpoint of this policy.
    pub(in crate::policy) fn terms_at(
        &self,
        tier: Tier,
        residency: &Residency,
        class: &DataClass,
    ) -> Result<Option<Arc<Counted>>, Reason> {
        match self.not_allowed_at(tier, residency, class) {
            None => Ok(None),
            Some(reason) => {
                let disguise = self.disguise(tier, residency, class);
                disguise.map(Some).ok_or(reason)
            }
        }
    }

    /// What has to be replaced so that the place may receive the rest. `None` where a rule in the way does not say
    /// so, where the class rests on more than findings, or where reading was cut off, so that nobody can say that all
    /// was found.
    fn disguise(
        &self,
        tier: Tier,
        residency: &Residency,
        class: &DataClass,
    ) -> Option<Arc<Counted>> {
        let privacy = &self.settings.privacy;
        let reading = self.signals.personal.as_ref()?;
        let rest = self.unseen().fold(&privacy.default_class, higher_of);
        let mut in_the_way = privacy.rules.iter().filter(|rule| {
            let require = &rule.require;
            let unmet = || require.unmet_by(tier, residency, self.standing.today);
            rule.class.rank <= class.rank && unmet().is_some()
        });
        let told_to = in_the_way.all(|rule| rule.on_violation == OnViolation::Pseudonymise);
        let enough = told_to && self.not_allowed_at(tier, residency, rest).is_none();
        (enough && !reading.is_assumed()).then(|| {
            let kinds = privacy.raises.iter();
            let kinds = kinds.flat_map(|rule| rule.any.iter().map(|kind| (*kind, rule.at_least)));
            Arc::new(kinds.collect())
        })
    }

    /// Privacy: every rule for this class or a lower one must be met, and what leaves must have been spoken for.
    pub(in crate::policy) fn not_allowed_at(
        &self,
        tier: Tier,
        residency: &Residency,
        class: &DataClass,
    ) -> Option<Reason> {
        let rules = self.settings.privacy.rules.iter();
        for rule in rules.filter(|rule| rule.class.rank <= class.rank) {
            let today = self.standing.today;
            if let Some(unmet) = rule.require.unmet_by(tier, residency, today) {
                return Some(Reason::Privacy {
                    rule: rule.id.clone(),
                    unmet,
                });
            }
        }
        let stays = tier == Tier::Remote && !self.may_leave();
        stays.then_some(Reason::NoRuleForClass)
    }

    /// Above the default class, every part of the request needs a rule that speaks for it. Every part, not only the
    /// most sensitive: else data that never leaves would leave in the company of data that may, or under the name of it.
    pub(super) fn may_leave(&self) -> bool {
        let privacy = &self.settings.privacy;
        let default = privacy.default_class.rank;
        let speaks = |rule: &PrivacyRule, class: &DataClass| {
            (default + 1..=class.rank).contains(&rule.class.rank)
        };
        self.parts()
            .filter(|class| class.rank > default)
            .all(|class| privacy.rules.iter().any(|rule| speaks(rule, class)))
    }

    /// True when every privacy rule that rejected a candidate says `local`.
    pub(super) fn local_instead(&self, rejected: &[Rejected]) -> bool {
        let mut by_privacy = rejected
            .iter()
            .filter_map(|rejected| self.privacy_rule(rejected))
            .peekable();
        by_privacy.peek().is_some()
            && by_privacy.all(|rule| rule.on_violation == OnViolation::Local)
    }

    pub(super) fn privacy_rule(&self, rejected: &Rejected) -> Option<&PrivacyRule> {
        let Reason::Privacy { rule, .. } = &rejected.reason else {
            return None;
        };
        self.settings
            .privacy
            .rules
            .iter()
            .find(|candidate| candidate.id == *rule)
    }
}

fn higher_of<'a>(one: &'a DataClass, other: &'a DataClass) -> &'a DataClass {
    if other.rank > one.rank { other } else { one }
}
