/** The MLflow REST API's JSON, as far as the pages read it. */

export type Tag = { key: string; value: string }
export type Lifecycle = 'active' | 'deleted'
export type ViewType = 'ACTIVE_ONLY' | 'DELETED_ONLY' | 'ALL'

export type Experiment = {
  experiment_id: string
  name: string
  artifact_location?: string
  lifecycle_stage: Lifecycle
  creation_time?: number
  last_update_time?: number
  tags?: Tag[]
}

export type RunStatus = 'RUNNING' | 'SCHEDULED' | 'FINISHED' | 'FAILED' | 'KILLED'

export type RunInfo = {
  run_id: string
  run_uuid?: string
  run_name?: string
  experiment_id: string
  user_id?: string
  status: RunStatus
  start_time?: number
  end_time?: number
  artifact_uri?: string
  lifecycle_stage: Lifecycle
}

export type Metric = { key: string; value: number; timestamp: number; step: number; run_id?: string; dataset_name?: string }
export type Param = { key: string; value: string }

export type Dataset = { name: string; digest: string; source_type?: string; source?: string; schema?: string; profile?: string }
export type DatasetInput = { dataset: Dataset; tags?: Tag[] }

export type Run = {
  info: RunInfo
  data?: { metrics?: Metric[]; params?: Param[]; tags?: Tag[] }
  inputs?: { dataset_inputs?: DatasetInput[]; model_inputs?: { model_id: string }[] }
  outputs?: { model_outputs?: { model_id: string; step?: number }[] }
}

export type Page<Key extends string, Item> = { [key in Key]?: Item[] } & { next_page_token?: string }

export type FileInfo = { path: string; is_dir?: boolean; file_size?: number }
