//! `POST /v1/messages/count_tokens`: an estimate made here, so that nothing leaves for it.

use super::body::{self, ResponseBody};
use super::errors::{self, Told};
use super::forms;
use super::headers;
use super::routes::{Site, json};
use crate::domain::Form;
use crate::pipeline::Fault;
use http::{Request, Response, StatusCode};
use hyper::body::{Body, Incoming};

impl Site {
    /// Says how many input tokens a Messages request has, about.
    pub(super) async fn count(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let (head, mut body) = request.into_parts();
        let key = super::auth::key_digest(&head.headers);
        let mut response = match self.pipeline.enter(key.as_ref()) {
            Err(refused) => errors::response(Fault::Policy(refused), Form::Messages),
            Ok(_) => {
                let counted = self.counted(&mut body).await;
                counted.unwrap_or_else(|told| told.into_response_in(Form::Messages))
            }
        };
        if !body.is_end_stream() && !head.headers.contains_key(http::header::EXPECT) {
            body::pass_over(&mut body).await;
        }
        headers::name_request(response.headers_mut(), headers::request_id(&head.headers));
        headers::name_as(response.headers_mut(), Form::Messages);
        response
    }

    async fn counted(&self, body: &mut Incoming) -> Result<Response<ResponseBody>, Told> {
        let _place = self.gate.enter().await.ok_or_else(errors::overloaded)?;
        let (most, time) = (self.limits.max_body_bytes, self.limits.body_timeout);
        let bytes = body::read(body, most, time).await;
        let bytes = bytes.map_err(|error| errors::body_error(error, most))?;
        let tokens = forms::counted(&bytes)?;
        let counted = serde_json::json!({"input_tokens": tokens});
        Ok(json(StatusCode::OK, counted.to_string()))
    }
}
