-- Reports are looked for by their day, so those of one day lie together, see read_models/missing_reports.py.
-- depends: health_0011_objections_stay

-- migrate: apply

CREATE INDEX reported_v2_of_day ON reported_v2 (day, person_id);
DROP INDEX reported_v2_day;

-- migrate: rollback
CREATE INDEX reported_v2_day ON reported_v2 (person_id, day);
DROP INDEX reported_v2_of_day;
