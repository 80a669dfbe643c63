"""The numeric core: lagged moments, ridge with cross-validated penalties, scores."""

from heschl.linear.cca.cca import CCA, held_out_correlations
from heschl.linear.cca.grid import cca_grid
from heschl.linear.cca.inference import PermutedCorrelations, permuted_correlations
from heschl.linear.cca.parts import SharedParts, probe, residual
from heschl.linear.crossval.crossed import CrossedMean, crossed_mean, subject_mean
from heschl.linear.crossval.joined import JoinedScores, joined_cv
from heschl.linear.crossval.learned import nested_cv_learned
from heschl.linear.crossval.nested import NestedScores, nested_cv
from heschl.linear.crossval.path import AlphaEdgeWarning
from heschl.linear.design.explicit import lagged_design
from heschl.linear.design.labels import segment_labels
from heschl.linear.design.segments import group_folds
from heschl.linear.design.spaces import FeatureSpaces, Repeated
from heschl.linear.design.time_course import mean_time_course, time_course
from heschl.linear.device.status import CudaStatus, cuda_status
from heschl.linear.estimators.banded import BandedRidgeCV
from heschl.linear.estimators.common import CommonVariance, common_variance
from heschl.linear.estimators.joint import JointVariance, joint_variance
from heschl.linear.estimators.mtrf import average_models, mtrf_lags
from heschl.linear.estimators.ridge import LaggedRidge, LaggedRidgeCV
from heschl.linear.estimators.variance import UniqueVariance, unique_variance
from heschl.linear.moments.lagged import LaggedMoments
from heschl.linear.nulls.distribution import NullDistribution
from heschl.linear.nulls.exchange import exchange_test
from heschl.linear.nulls.permutation import permutation_test
from heschl.linear.nulls.refitted import null_refit
from heschl.linear.nulls.shifted import null_scores
from heschl.linear.pickles import publish

__all__ = [
    "CCA", "AlphaEdgeWarning", "BandedRidgeCV", "CommonVariance", "CrossedMean", "CudaStatus", "FeatureSpaces",
    "JoinedScores", "JointVariance", "LaggedMoments", "LaggedRidge", "LaggedRidgeCV", "NestedScores",
    "NullDistribution", "PermutedCorrelations", "Repeated", "SharedParts", "UniqueVariance", "average_models",
    "cca_grid", "common_variance", "crossed_mean", "cuda_status", "exchange_test", "group_folds",
    "held_out_correlations", "joined_cv", "joint_variance", "lagged_design", "mean_time_course", "mtrf_lags",
    "nested_cv", "nested_cv_learned", "null_refit", "null_scores", "permutation_test", "permuted_correlations",
    "probe", "residual", "segment_labels", "subject_mean", "time_course", "unique_variance",
]  # fmt: skip

publish(__name__, [globals()[name] for name in __all__])
