{{- define "scimsrv.name" -}}
{{- if contains "scimsrv" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-scimsrv" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "scimsrv.selector" -}}
app.kubernetes.io/name: scimsrv
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "scimsrv.labels" -}}
{{ include "scimsrv.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{- define "scimsrv.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "scimsrv.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "scimsrv.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "scimsrv.settings" -}}
{{- range $name, $value := .Values.settings }}
- name: SCIMSRV_{{ $name | upper }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end -}}
