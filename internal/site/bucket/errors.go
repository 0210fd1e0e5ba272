package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"

	"github.com/eventfeed/eventfeed/internal/site"
)

// explain makes an OperatorError of an error that does not pass, and ErrAbsent of one of an object that is
// absent.
func (b *Bucket) explain(ctx context.Context, key string, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); errors.Is(cause, context.Canceled) {
		return cause
	}
	response := minio.ToErrorResponse(err)
	err = fmt.Errorf("%s: %s: %w", b, key, err)
	switch response.Code {
	case "NoSuchKey", "NotFound":
		return fmt.Errorf("%s: %s: %w", b, key, site.ErrAbsent)
	case "NoSuchBucket":
		return &site.OperatorError{Err: err, Usage: true, Next: "create the bucket, or check its name and the endpoint"}
	case "AccessDenied", "AllAccessDisabled":
		return &site.OperatorError{Err: err, Next: "give the user s3:GetObject, s3:PutObject and s3:DeleteObject on the objects, and s3:ListBucket on the bucket, without which a store does not say that an object is absent"}
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired":
		return &site.OperatorError{Err: err, Next: "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile"}
	case "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect":
		return &site.OperatorError{Err: err, Usage: true, Next: "name the bucket's region in the URL: &region=REGION"}
	case "RequestTimeTooSkewed":
		return &site.OperatorError{Err: err, Next: "set the clock of this machine"}
	}
	if response.StatusCode == http.StatusNotFound && response.Code == "" {
		return fmt.Errorf("%s: %s: %w", b, key, site.ErrAbsent)
	}
	return err
}
