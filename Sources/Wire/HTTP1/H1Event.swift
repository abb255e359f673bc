// What an HTTP/1 decoder tells its owner, one event per call of `next`.
//
// Order for one message: `head`, then any number of `body`, then `trailers` at most once, then `complete`; or `failed`
// at any point, after which nothing more comes. `needMore` says that the input was used up (or, after `complete`, that
// the next message waits for `reset`).

import Primitives

package enum H1Event {
    case needMore
    /// The head given to `next` is filled. A 1xx response also ends with this event: reset the head and go on.
    case head
    /// A part of the body: a slice of the input, valid as long as the input is. Never empty.
    case body(Bytes)
    /// Trailer fields follow (only with `enableTrailers`): from the next call on, `next` wants the head for trailers.
    case trailersBegin
    /// The head given to `next` holds the trailer fields.
    case trailers
    case complete
    case failed(H1Error)
}
