//! The channel layer that the configuration names.

use crate::{
    channel_layer::{
        ChannelLayer, Unavailable,
        memory::MemoryLayer,
        redis::{RedisLayer, RedisLayerOptions},
    },
    config::ChannelLayerConfig,
    environment::Environment,
    supervisor::Supervisor,
};
use std::sync::Arc;

/// Starts the layer of a server: through Redis, or within the process if no Redis is configured.
///
/// # Errors
/// The URL cannot be used.
pub(super) fn start(
    config: &ChannelLayerConfig,
    environment: &Environment,
    supervisor: &Supervisor,
) -> Result<Arc<dyn ChannelLayer>, Unavailable> {
    let Some(url) = config.url.clone().map(|url| url.0) else { return Ok(Arc::new(MemoryLayer::default())) };
    let (prefix, encryption_keys) = (config.prefix.clone(), config.encryption_keys.clone());
    let options = RedisLayerOptions { url, prefix, encryption_keys, environment: environment.clone() };
    Ok(Arc::new(RedisLayer::start(options, supervisor)?))
}
