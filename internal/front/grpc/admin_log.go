package grpc

// ChangeLogLevel: the least that this process logs.

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// ChangeLogLevel changes the setting log-level, which survives a restart. TRACE
// counts as DEBUG. Its answer has no room for a status, so that what is refused
// fails.
func (o operating) ChangeLogLevel(ctx context.Context, req *rmq.ChangeLogLevelRequest) (*rmq.ChangeLogLevelResponse, error) {
	level := req.GetLevel()
	name, known := rmq.ChangeLogLevelRequest_Level_name[int32(level)]
	if !known {
		return nil, status.Errorf(codes.InvalidArgument, "the level %d is unknown; want TRACE, DEBUG, INFO, WARN or ERROR", level)
	}
	if level == rmq.ChangeLogLevelRequest_TRACE {
		name = rmq.ChangeLogLevelRequest_DEBUG.String()
	}
	name = strings.ToLower(name)
	if err := o.admin.SetSettings(mq.WithCaller(ctx, o.caller(ctx)), map[string]string{"log-level": name}); err != nil {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	return &rmq.ChangeLogLevelResponse{Remark: "log-level is " + name}, nil
}
