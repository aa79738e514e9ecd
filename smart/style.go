package smart

import (
	"net/http"

	"github.com/tarnhealth/tarn/smart/opaque"
)

// style is the look of Tarn's own pages for apps that want to match it. Its URL
// holds its hash, so that it changes with it.
// http://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#smart-launch-styles
const style = `{"color_background":"#f2f6f8","color_error":"#a4161a","color_highlight":"#0b5c74","color_modal_backdrop":"#12212b","color_success":"#17653a","color_text":"#12212b","dim_border_radius":"8px","dim_font_size":"16px","dim_spacing_size":"20px","font_family_body":"system-ui, sans-serif","font_family_heading":"system-ui, sans-serif"}`

var stylePath = "/auth/style/" + opaque.Key(style)[:16] + ".json"

func (s *Service) styleURL() string { return s.cfg.BaseURL + stylePath }

func (s *Service) showStyle(w http.ResponseWriter, _ *http.Request) {
	answerDocument(w, "public, max-age=31536000, immutable", []byte(style))
}
