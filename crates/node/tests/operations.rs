//! Several servers in one process, as people operate them: settings, requests, maintenance,
//! standby, formats.

#[cfg(test)]
#[path = "operations/maintenance.rs"]
mod maintenance;
#[cfg(test)]
#[path = "operations/requests.rs"]
mod requests;
#[cfg(test)]
#[path = "operations/servers.rs"]
mod servers;
#[cfg(test)]
#[path = "operations/settings.rs"]
mod settings;
#[cfg(test)]
#[path = "operations/world.rs"]
mod world;
