//! Deployment of BPMN and DMN files.
//!
//! Boundary: translation only; see `operation/deploy.rs`.
//! Read first: [`deploy`].

use std::sync::Arc;

use bytes::Bytes;
use node::{Decision, Definition, Requirements};
use proto::gateway::deployment::Metadata;
use proto::gateway::{
    DecisionMetadata, DecisionRequirementsMetadata, DeployProcessRequest, DeployProcessResponse,
    DeployResourceRequest, DeployResourceResponse, Deployment, ProcessMetadata,
};
use tonic::Status;

use super::Face;
use super::refusal::{TENANT, check_tenant, invalid, refuse};
use crate::operation::deploy::{self, Deployed};

const INTENT: &str = "CREATE";

/// Deploys resources: all of them or none.
pub(super) async fn deploy(
    face: Arc<Face>,
    request: DeployResourceRequest,
) -> Result<DeployResourceResponse, Status> {
    check_tenant(&request.tenant_id, INTENT)?;
    let resources = request.resources.into_iter();
    let resources = resources.map(|one| (one.name, Bytes::from(one.content))).collect();
    let deployed = run(&face, resources).await?;
    let process =
        |known: &Arc<Definition>| Deployment { metadata: Some(Metadata::Process(metadata(known))) };
    let catalog = face.node.catalog();
    let decision = |known: &Arc<Decision>| Deployment {
        metadata: Some(Metadata::Decision(decision_metadata(
            known,
            catalog.requirements_of(known).map(AsRef::as_ref),
        ))),
    };
    let file = |known: &Arc<Requirements>| Deployment {
        metadata: Some(Metadata::DecisionRequirements(requirements_metadata(known))),
    };
    let processes = deployed.processes.iter().map(process);
    let decisions = deployed.decisions.iter().map(decision);
    let files = deployed.requirements.iter().map(file);
    Ok(DeployResourceResponse {
        key: deployed.deployment.cast_signed(),
        deployments: processes.chain(decisions).chain(files).collect(),
        tenant_id: TENANT.to_owned(),
    })
}

/// The same for clients that know the older call only.
pub(super) async fn deploy_processes(
    face: Arc<Face>,
    request: DeployProcessRequest,
) -> Result<DeployProcessResponse, Status> {
    let processes = request.processes.into_iter();
    let resources = processes.map(|one| (one.name, Bytes::from(one.definition))).collect();
    let deployed = run(&face, resources).await?;
    Ok(DeployProcessResponse {
        key: deployed.deployment.cast_signed(),
        processes: deployed.processes.iter().map(|known| metadata(known)).collect(),
    })
}

async fn run(face: &Face, resources: Vec<(String, Bytes)>) -> Result<Deployed, Status> {
    if resources.is_empty() {
        return Err(invalid("resources", "there is no resource", INTENT));
    }
    for (name, _) in &resources {
        if !name.ends_with(".bpmn") && !name.ends_with(".dmn") {
            let detail =
                format!("`{name}` is no BPMN or DMN file: its name must end in `.bpmn` or `.dmn`");
            return Err(invalid("resources", &detail, INTENT));
        }
    }
    deploy::resources(&face.node, resources).await.map_err(refuse(INTENT))
}

fn metadata(known: &Definition) -> ProcessMetadata {
    ProcessMetadata {
        bpmn_process_id: known.process().to_string(),
        version: known.version.cast_signed(),
        process_definition_key: known.key.to_i64(),
        resource_name: known.resource.to_string(),
        tenant_id: TENANT.to_owned(),
    }
}

fn decision_metadata(known: &Decision, file: Option<&Requirements>) -> DecisionMetadata {
    DecisionMetadata {
        dmn_decision_id: known.id.to_string(),
        dmn_decision_name: known.name().to_owned(),
        version: known.deployed.version.cast_signed(),
        decision_key: known.deployed.key.cast_signed(),
        dmn_decision_requirements_id: file.map_or_else(String::new, |file| file.id.to_string()),
        decision_requirements_key: file.map_or(0, |file| file.key.cast_signed()),
        tenant_id: TENANT.to_owned(),
    }
}

fn requirements_metadata(known: &Requirements) -> DecisionRequirementsMetadata {
    DecisionRequirementsMetadata {
        dmn_decision_requirements_id: known.id.to_string(),
        dmn_decision_requirements_name: known.name.to_string(),
        version: known.version.cast_signed(),
        decision_requirements_key: known.key.cast_signed(),
        resource_name: known.resource.to_string(),
        tenant_id: TENANT.to_owned(),
    }
}
