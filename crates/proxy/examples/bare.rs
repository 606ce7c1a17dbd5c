use async_trait::async_trait;
use pingora_core::{
    Result,
    server::{Server, configuration::ServerConf},
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{ProxyHttp, Session};
#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
struct P;
#[async_trait]
impl ProxyHttp for P {
    type CTX = ();
    fn new_ctx(&self) {}
    async fn upstream_peer(&self, _s: &mut Session, _c: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new("127.0.0.1:9001", false, String::new())))
    }
    async fn request_filter(&self, s: &mut Session, _c: &mut ()) -> Result<bool> {
        s.set_keepalive(Some(60));
        if s.req_header().uri.path() == "/small" {
            let mut h = pingora_http::ResponseHeader::build(429, Some(4))?;
            h.insert_header("Content-Length", "3")?;
            s.write_response_header(Box::new(h), false).await?;
            s.write_response_body(Some(bytes::Bytes::from_static(b"no\n")), true).await?;
            return Ok(true);
        }
        Ok(false)
    }
}
fn main() {
    let conf = ServerConf {
        threads: 1,
        work_stealing: std::env::var("STEAL").is_ok(),
        upstream_keepalive_pool_size: 1024,
        ..Default::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut p = pingora_proxy::http_proxy_service(&server.configuration, P);
    p.add_tcp("127.0.0.1:8601");
    server.add_service(p);
    server.run_forever();
}
