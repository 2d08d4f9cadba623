//! `sidetone why`: why one conversation was delivered, or was not.

mod asked;

use std::collections::BTreeSet;

use asked::{Asked, is_worth_asking};
use serde::Serialize;
use sidetone_explain::{
    Explanation, Facts, GatherError, StreamFacts, explain, gather, read_stream,
};
use sidetone_model::{ConversationId, ConversationKey, OrganizationId, Timestamp};
use sidetone_ports::{CallStore, Clock, OrganizationStore, OwnerStore, RecordSource, UserStore};
use sidetone_ports_embedded::{OpenError, Store, Stream};
use sidetone_tracking::PlatformClient;

use super::existing_data;
use super::streamed::{Watched, conversations, the_one};
use crate::args::{GlobalArgs, WhyArgs};
use crate::failure::{Exit, Failure};
use crate::organization::{SIMULATED_ORGANIZATION, known};
use crate::output::{Output, printable};
use crate::platforms::asked;

/// Says why a conversation was delivered, or was not.
pub(crate) async fn why(
    global: &GlobalArgs,
    args: &WhyArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    sidetone_bootstrap::start_log(global.log_format(), global.log_filter("warn"));
    #[cfg(feature = "aws")]
    if let Some(stack) = crate::stack::Stack::named(global).await? {
        let stream = Some(stack.stream(crate::args::TailFrom::Start)?);
        let organizations = stack.organizations().await?;
        let place = Place { store: stack.store().clone(), stream, organizations };
        let client = async |organization| stack.asked(organization).await;
        return answer(global, &place, client, args, output).await;
    }
    let data = existing_data(global)?;
    let stream = match Stream::open_read_only(&data.stream(), Clock::system()) {
        Ok(stream) => Some(stream),
        // Nothing was ever delivered; the store may know more.
        Err(OpenError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let store = Store::open(&data.store())?;
    let mut organizations = known(&data)?;
    organizations.extend(store.organizations().await?.into_iter().map(|one| one.id));
    let client = async |organization| asked(global, organization, &data, &store).await;
    let place = Place { store: store.clone(), stream, organizations };
    answer(global, &place, client, args, output).await
}

/// The explanation, and what Genesys added to it.
#[derive(Serialize)]
struct Answer<'e> {
    #[serde(flatten)]
    explanation: &'e Explanation,
    genesys: Option<Asked>,
}

/// Where to look, and for whom.
struct Place<S, R> {
    store: S,
    stream: Option<R>,
    organizations: BTreeSet<OrganizationId>,
}

async fn answer<S: CallStore + OwnerStore + UserStore, R: RecordSource>(
    global: &GlobalArgs,
    place: &Place<S, R>,
    client: impl AsyncFn(Option<OrganizationId>) -> Result<(OrganizationId, PlatformClient), Failure>,
    args: &WhyArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let conversation = match (args.conversation.whole(), &place.stream) {
        (Some(conversation), _) => Some(conversation),
        (None, Some(stream)) => the_one(&args.conversation, conversations(stream, output).await?)?,
        (None, None) => None,
    };
    let Some(conversation) = conversation else {
        let what = format!("no conversation {} in the stream", args.conversation);
        return Err(Failure::bad_input(what)
            .hint("give all of the id: what never came to the stream is found by that alone"));
    };
    let facts = facts(place, args, conversation, output).await?;
    let explanation = explain(&facts);
    let genesys = if is_worth_asking(explanation.cause) {
        let client = client(facts.organization).await;
        Some(Asked::about(global, &facts, &explanation, &place.store, client).await)
    } else {
        None
    };
    if output.is_json() {
        output.json(&Answer { explanation: &explanation, genesys })?
    } else {
        print(&explanation, genesys.as_ref(), output)?
    }
    Ok(Exit::Done)
}

/// Gathers what the one organization knows that knows anything.
async fn facts<S: CallStore + OwnerStore, R: RecordSource>(
    place: &Place<S, R>,
    args: &WhyArgs,
    conversation: ConversationId,
    output: &Output<'_>,
) -> Result<Facts, Failure> {
    let told = match &place.stream {
        // Genesys' test goes nowhere.
        Some(stream) if !conversation.is_nil() => {
            let source = Watched::new(stream.clone(), output.progress("reading the call")).await?;
            let told = read_stream(&source, conversation).await?;
            source.bar().finish_and_clear();
            told
        }
        Some(_) | None => StreamFacts::default(),
    };
    let mut candidates = place.organizations.clone();
    candidates.extend(told.organizations());
    match args.organization {
        Some(named) => candidates = BTreeSet::from([named]),
        None if candidates.is_empty() => drop(candidates.insert(SIMULATED_ORGANIZATION)),
        None => {}
    }
    let clock = Clock::system();
    let now = clock.now();
    let mut all = Vec::new();
    for organization in candidates {
        let key = ConversationKey { organization, conversation };
        all.push(gather(&place.store, &told, key, &clock).await?);
    }
    the_one_who_knows(all, now, conversation)
}

fn the_one_who_knows(
    mut all: Vec<Facts>,
    now: Timestamp,
    conversation: ConversationId,
) -> Result<Facts, Failure> {
    if all.len() > 1 && all.iter().any(Facts::is_heard_of) {
        all.retain(Facts::is_heard_of);
    }
    match all.len() {
        1 => Ok(all.remove(0)),
        _ if all.iter().any(Facts::is_heard_of) => {
            let ids = all.iter().filter_map(|facts| facts.organization);
            let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
            Err(Failure::bad_input(format!(
                "several organizations have conversation {conversation}"
            ))
            .hint(format!("say whose with --organization, one of {}", ids.join(", "))))
        }
        // Nobody knows of it, and nothing tells whose it is.
        _ => Ok(Facts::none(now, None, conversation)),
    }
}

fn print(
    explanation: &Explanation,
    genesys: Option<&Asked>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let named = |text: &str| {
        let text = genesys.map_or_else(|| text.to_owned(), |genesys| genesys.named(text));
        printable(&text).into_owned()
    };
    let organization = explanation.organization_id.map(|id| format!(" of organization {id}"));
    let organization = organization.unwrap_or_default();
    output.line(format_args!("conversation {}{organization}", explanation.conversation_id))?;
    let summary = named(&explanation.summary);
    output.line(format_args!("cause         {}: {summary}", explanation.cause))?;
    for line in genesys.map(Asked::lines).unwrap_or_default() {
        output.line(format_args!("Genesys       {line}"))?;
    }
    match genesys.map(Asked::commands).unwrap_or_default() {
        [] => output.line(format_args!("next step     {}", explanation.next_step))?,
        commands => {
            for command in commands {
                output.line(format_args!("next step     {}", printable(command)))?;
            }
        }
    }
    if !explanation.also.is_empty() {
        let also: Vec<&str> = explanation.also.iter().map(|cause| cause.as_str()).collect();
        output.line(format_args!("also          {}", also.join(", ")))?;
    }
    if !explanation.timeline.is_empty() {
        output.line("")?;
    }
    for entry in &explanation.timeline {
        output.line(format_args!("{}  {}", entry.at, named(&entry.what.to_string())))?;
    }
    Ok(())
}

impl From<GatherError> for Failure {
    fn from(error: GatherError) -> Self {
        match error {
            GatherError::Store(error) => error.into(),
            GatherError::Stream(error) => error.into(),
        }
    }
}
