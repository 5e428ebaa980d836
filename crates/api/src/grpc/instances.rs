//! Instances, their variables and incidents, and messages.
//!
//! Boundary: translation only; see `operation/start.rs`.
//! Read first: [`create`].

use std::sync::Arc;
use std::time::Duration;

use engine::Reach;
use engine::ids::{IncidentKey, InstanceKey, StepKey};
use feel::{Context, Value};
use node::NewMessage;
use proto::gateway::{
    CancelProcessInstanceRequest, CancelProcessInstanceResponse, CreateProcessInstanceRequest,
    CreateProcessInstanceResponse, CreateProcessInstanceWithResultRequest,
    CreateProcessInstanceWithResultResponse, PublishMessageRequest, PublishMessageResponse,
    ResolveIncidentRequest, ResolveIncidentResponse, SetVariablesRequest, SetVariablesResponse,
};
use tonic::Status;

use super::Face;
use super::refusal::{TENANT, check_tenant, context, invalid, no_key, refuse, unsupported};
use crate::operation::start::{self, Wanted};

const CREATE: &str = "CREATE";
const CREATE_WAITING: &str = "CREATE_WITH_AWAITING_RESULT";
const CANCEL: &str = "CANCEL";
const UPDATE: &str = "UPDATE";
const RESOLVE: &str = "RESOLVE";
const PUBLISH: &str = "PUBLISH";

/// How long a client waits for a result if it does not say.
const PATIENCE: Duration = Duration::from_secs(15);

/// Starts an instance.
pub(super) async fn create(
    face: Arc<Face>,
    request: CreateProcessInstanceRequest,
) -> Result<CreateProcessInstanceResponse, Status> {
    check(&request, CREATE)?;
    let variables = context(&request.variables, CREATE)?;
    let created = start::start(&face.node, &wanted(&request), variables).await;
    let created = created.map_err(refuse(CREATE))?;
    Ok(CreateProcessInstanceResponse {
        process_definition_key: created.definition.to_i64(),
        bpmn_process_id: created.process.to_string(),
        version: created.version.cast_signed(),
        process_instance_key: created.instance.to_i64(),
        tenant_id: TENANT.to_owned(),
        tags: Vec::new(),
        business_id: None,
    })
}

/// Starts an instance and answers at its end.
pub(super) async fn create_with_result(
    face: Arc<Face>,
    request: CreateProcessInstanceWithResultRequest,
) -> Result<CreateProcessInstanceWithResultResponse, Status> {
    let Some(inner) = request.request else {
        return Err(invalid("request", "there is no request", CREATE_WAITING));
    };
    check(&inner, CREATE_WAITING)?;
    let variables = context(&inner.variables, CREATE_WAITING)?;
    let patience = match u64::try_from(request.request_timeout) {
        Ok(0) | Err(_) => PATIENCE,
        Ok(ms) => Duration::from_millis(ms),
    };
    let ended = start::and_wait(&face.node, &wanted(&inner), variables, patience).await;
    let ended = ended.map_err(refuse(CREATE_WAITING))?;
    let created = ended.created;
    if !ended.completed {
        let detail = format!("instance `{}` was cancelled", created.instance.0);
        return Err(refuse(CREATE_WAITING)(node::Error::State { detail }));
    }
    let variables = Value::Context(only(ended.variables, &request.fetch_variables));
    Ok(CreateProcessInstanceWithResultResponse {
        process_definition_key: created.definition.to_i64(),
        bpmn_process_id: created.process.to_string(),
        version: created.version.cast_signed(),
        process_instance_key: created.instance.to_i64(),
        variables: feel::json::to_string(&variables),
        tenant_id: TENANT.to_owned(),
        tags: Vec::new(),
        business_id: None,
    })
}

fn only(variables: Context, names: &[String]) -> Context {
    if names.is_empty() {
        return variables;
    }
    let wanted = variables.iter().filter(|(name, _)| names.iter().any(|one| **one == ***name));
    Context::new(wanted.map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn check(request: &CreateProcessInstanceRequest, intent: &'static str) -> Result<(), Status> {
    check_tenant(&request.tenant_id, intent)?;
    unsupported(!request.start_instructions.is_empty(), "start instructions")?;
    unsupported(!request.runtime_instructions.is_empty(), "runtime instructions")?;
    unsupported(!request.tags.is_empty(), "tags")?;
    unsupported(request.business_id.as_ref().is_some_and(|id| !id.is_empty()), "business ids")
}

fn wanted(request: &CreateProcessInstanceRequest) -> Wanted<'_> {
    if request.process_definition_key > 0 {
        return Wanted::Key(request.process_definition_key);
    }
    let version = (request.version != -1).then(|| i64::from(request.version));
    Wanted::Process(&request.bpmn_process_id, version)
}

/// Cancels an instance.
pub(super) async fn cancel(
    face: Arc<Face>,
    request: CancelProcessInstanceRequest,
) -> Result<CancelProcessInstanceResponse, Status> {
    let key = request.process_instance_key;
    let instance = InstanceKey::from_i64(key).ok_or_else(|| no_key("instance", key, CANCEL))?;
    face.node.cancel(instance).await.map_err(refuse(CANCEL))?;
    Ok(CancelProcessInstanceResponse {})
}

/// Sets variables in a scope or from there upwards.
pub(super) async fn set_variables(
    face: Arc<Face>,
    request: SetVariablesRequest,
) -> Result<SetVariablesResponse, Status> {
    let key = request.element_instance_key;
    let step = StepKey::from_i64(key).ok_or_else(|| no_key("step", key, UPDATE))?;
    let variables = context(&request.variables, UPDATE)?;
    let reach = if request.local { Reach::Local } else { Reach::Propagate };
    face.node.set_variables(step, variables, reach).await.map_err(refuse(UPDATE))?;
    Ok(SetVariablesResponse { key })
}

/// Tries again what failed.
pub(super) async fn resolve(
    face: Arc<Face>,
    request: ResolveIncidentRequest,
) -> Result<ResolveIncidentResponse, Status> {
    let key = request.incident_key;
    let incident = IncidentKey::from_i64(key).ok_or_else(|| no_key("incident", key, RESOLVE))?;
    face.node.resolve(incident, None).await.map_err(refuse(RESOLVE))?;
    Ok(ResolveIncidentResponse {})
}

/// Publishes a message.
pub(super) async fn publish(
    face: Arc<Face>,
    request: PublishMessageRequest,
) -> Result<PublishMessageResponse, Status> {
    check_tenant(&request.tenant_id, PUBLISH)?;
    let variables = context(&request.variables, PUBLISH)?;
    let message = NewMessage {
        name: request.name.into(),
        key: request.correlation_key.into(),
        id: request.message_id.into(),
        time_to_live_ms: request.time_to_live.max(0),
        variables,
    };
    let key = face.node.publish_message(message).await.map_err(refuse(PUBLISH))?;
    Ok(PublishMessageResponse { key: key.cast_signed(), tenant_id: TENANT.to_owned() })
}
