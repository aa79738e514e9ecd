package healthlake

import "regexp"

// Constraints of the API model.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_CreateFHIRDatastore.html
var (
	words = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-%@]*$`)

	// The model's ids have at most 32 characters; Tarn's own may have 64.
	idConstraint = constraint{required: true, min: 1, max: 64, pattern: words}

	nameConstraint        = constraint{min: 1, max: 256, pattern: words}
	versionConstraint     = constraint{required: true, enum: []string{"R4"}}
	clientTokenConstraint = constraint{min: 1, max: 64, pattern: regexp.MustCompile(`^[a-zA-Z0-9-]+$`)}
	arnConstraint         = constraint{required: true, min: 1, max: 1011, pattern: validARN}
	statusConstraint      = constraint{enum: []string{"CREATING", "ACTIVE", "DELETING", "DELETED", "CREATE_FAILED", "UPDATING", "UPDATE_FAILED"}}

	tagText            = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
	tagKeyConstraint   = constraint{required: true, min: 1, max: 128, pattern: tagText}
	tagValueConstraint = constraint{required: true, max: 256, pattern: tagText}

	keyTypeConstraint      = constraint{required: true, enum: []string{customerKey, serviceKey}}
	keyIDConstraint        = constraint{min: 1, max: 400, pattern: regexp.MustCompile(`^(arn:aws[a-zA-Z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[a-zA-Z0-9/_-]+|alias/[a-zA-Z0-9/_-]+|(mrk-)?[a-f0-9-]+)$`)}
	backupStatusConstraint = constraint{required: true, enum: []string{"ENABLED", "DISABLED"}}
	backupTypeConstraint   = constraint{enum: []string{"CONTINUOUS"}}

	preloadConstraint = constraint{required: true, enum: []string{"SYNTHEA"}}

	strategyConstraint = constraint{required: true, enum: []string{"SMART_ON_FHIR_V1", "SMART_ON_FHIR", "AWS_AUTH"}}
	functionConstraint = constraint{min: 49, max: 256, pattern: regexp.MustCompile(`^arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[a-zA-Z0-9_.-]+(:(\$LATEST|[a-zA-Z0-9_-]+))?$`)}
	metadataConstraint = constraint{min: 1, max: 64 << 10}
)

const (
	customerKey = "CUSTOMER_MANAGED_KMS_KEY"
	serviceKey  = "AWS_OWNED_KMS_KEY"
	maxTags     = 200
)
